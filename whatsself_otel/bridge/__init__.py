"""``whatsself-otel bridge``: observes the webhooks of a gateway, and passes them on as they came."""
