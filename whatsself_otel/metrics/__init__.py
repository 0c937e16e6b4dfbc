"""Metrics: recorded by methods of the domain, masked, and named alike for OTLP and Prometheus."""
