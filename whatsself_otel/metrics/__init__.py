"""Metrics: recorded by verbs of the domain, masked, and shown to OTLP and to Prometheus under one name."""
