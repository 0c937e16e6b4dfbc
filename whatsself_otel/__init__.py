"""
OpenTelemetry for WhatsApp automation: one call, one collector, every backend, and no phone number leaves.

    telemetry = setup_telemetry(app=app, engine=engine)
    with message_context(contact_id=contact.id, message_id=message.id):
        telemetry.metrics.message_sent(origin="reply", contact_id=contact.id)

These names, `integrations`, `testing` and `pytest_plugin` are for applications. Every other module may change in any
release.
"""

from whatsself_otel import _imports  # noqa: F401 - first: what follows imports the SDK, which a variable may stop
from whatsself_otel.config import LimitsConfig, OtlpConfig, TelemetryConfig
from whatsself_otel.context import capture_context, current_attributes, message_context, resume_context
from whatsself_otel.errors import ConfigError, WhatsSelfOtelError
from whatsself_otel.health import Health
from whatsself_otel.masking import Masker, MaskingConfig, MaskRule
from whatsself_otel.metrics.recording import WhatsSelfMetrics
from whatsself_otel.metrics.state import MetricsConfig
from whatsself_otel.setup import Telemetry, setup_telemetry
from whatsself_otel.whatsapp.config import WhatsAppConfig
from whatsself_otel.whatsapp.observe import WhatsApp

__all__ = [
    "ConfigError",
    "Health",
    "LimitsConfig",
    "MaskRule",
    "Masker",
    "MaskingConfig",
    "MetricsConfig",
    "OtlpConfig",
    "Telemetry",
    "TelemetryConfig",
    "WhatsApp",
    "WhatsAppConfig",
    "WhatsSelfMetrics",
    "WhatsSelfOtelError",
    "capture_context",
    "current_attributes",
    "message_context",
    "resume_context",
    "setup_telemetry",
]

__version__ = "0.2.0"
