"""OpenTelemetry for WhatsApp automation."""

__version__ = "0.1.0"
