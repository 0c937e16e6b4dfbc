"""
Webhooks of WhatsApp providers: typed events and metrics.

    for event in telemetry.whatsapp.observe(payload):
        with event.message_context:
            ...
"""

from whatsself_otel.whatsapp.detect import detect_provider
from whatsself_otel.whatsapp.events import (
    AccountRestricted,
    CallEvent,
    ConsentChanged,
    ContactIdentityChanged,
    DeliveryStatus,
    Event,
    LimitChanged,
    MessageAccepted,
    MessageEdited,
    MessageReceived,
    MessageRejected,
    MessageRevoked,
    PairingCodeIssued,
    ProviderNotice,
    QrIssued,
    QualityChanged,
    ReactionChanged,
    SessionChanged,
    SessionRetired,
    TemplateStatusChanged,
    WebhookUnknown,
)

__all__ = [
    "AccountRestricted",
    "CallEvent",
    "ConsentChanged",
    "ContactIdentityChanged",
    "DeliveryStatus",
    "Event",
    "LimitChanged",
    "MessageAccepted",
    "MessageEdited",
    "MessageReceived",
    "MessageRejected",
    "MessageRevoked",
    "PairingCodeIssued",
    "ProviderNotice",
    "QrIssued",
    "QualityChanged",
    "ReactionChanged",
    "SessionChanged",
    "SessionRetired",
    "TemplateStatusChanged",
    "WebhookUnknown",
    "detect_provider",
]
