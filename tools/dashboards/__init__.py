"""Grafana dashboards, in two languages, made from the catalogue and from backends/slo.yaml."""
