"""Rules, their tests and runbooks, all made from backends/slo.yaml."""
