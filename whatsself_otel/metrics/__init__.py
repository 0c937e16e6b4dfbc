"""Metrics: recorded by methods of the domain, masked, and shown to OTLP and to Prometheus under one name."""
