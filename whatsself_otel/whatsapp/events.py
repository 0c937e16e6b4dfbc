"""
Events on WhatsApp, in terms that belong to no provider.

An event holds no phone, message text or token: message and contact are references, and names come from closed sets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from whatsself_otel.context import message_context

if TYPE_CHECKING:
    from whatsself_otel.context import IdBlock

CHATS: Final = ("person", "group", "broadcast", "channel")
AUTHORS: Final = ("contact", "api", "phone", "system")
"""The author of an event: the contact, the application, the business's own phone or WhatsApp."""
DELIVERY_STATUSES: Final = ("sent", "delivered", "read", "played", "failed", "deleted")
DEFAULT_SESSION: Final = "main"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """
    The fields of every event.

    Args:
        provider: ``cloud_api``, ``evolution``, ``waha`` or ``baileys``.
        name: The provider's name of the webhook, from a bounded set.
        session: Name of the WhatsApp session; None if the event is about the whole account.
        account: Id of the account, where the provider names one.
        event_id: The same for each copy of one fact; one-way. None: copies cannot be told.
        at: The provider's own time of the event, Unix seconds; None if it gives none.
        chat: ``person``, ``group``, ``broadcast`` or ``channel``.
        direction: ``inbound`` or ``outbound``.
        author: ``contact``, ``api``, ``phone`` or ``system``.
        message_ref: Reference of the message.
        contact_ref: Reference of the contact; never a phone.
        error_type: The provider's code, where something failed.
        is_live: False for history: it is not traffic.
        is_repeat: Whether the event was told before; it moved nothing this time.
    """

    provider: str
    name: str
    session: str | None = None
    account: str | None = None
    event_id: str | None = None
    at: float | None = None
    chat: str | None = None
    direction: str | None = None
    author: str | None = None
    message_ref: str | None = None
    contact_ref: str | None = None
    error_type: str | None = None
    is_live: bool = True
    is_repeat: bool = False

    kind: ClassVar[str] = "event"

    @property
    def message_context(self) -> IdBlock:
        """A block that binds the references of this event to spans and logs."""
        return message_context(contact_id=self.contact_ref, message_id=self.message_ref, session=self.session)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageReceived(Event):
    """A contact, or a group member, sent a message."""

    content: str = "text"
    """Type of the message; a value of the attribute ``kind``."""

    kind: ClassVar[str] = "message_received"


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageAccepted(Event):
    """The provider accepted a message of ours, or the business typed one on its phone."""

    kind: ClassVar[str] = "message_accepted"


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRejected(Event):
    """The provider refused a message at once."""

    reason: str = "other"
    fault: str = "ours"

    kind: ClassVar[str] = "message_rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryStatus(Event):
    """The status of a message of ours."""

    status: str
    """One of `DELIVERY_STATUSES`."""
    reason: str | None = None
    """Reason of a failure."""
    fault: str | None = None
    billable: bool | None = None
    category: str | None = None
    """Category under which the provider bills the message."""

    kind: ClassVar[str] = "delivery_status"


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageEdited(Event):
    """A message was edited after it was sent."""

    kind: ClassVar[str] = "message_edited"


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRevoked(Event):
    """The sender revoked a message."""

    kind: ClassVar[str] = "message_revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReactionChanged(Event):
    """A reaction was set or removed."""

    is_removed: bool = False

    kind: ClassVar[str] = "reaction_changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionChanged(Event):
    """The session reports its state."""

    state: str
    """A value of the attribute ``state`` of ``whatsapp.session.state``."""
    reason: str | None = None
    """Reason of the loss; None if there was none."""

    kind: ClassVar[str] = "session_changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRetired(Event):
    """The session was removed for good."""

    kind: ClassVar[str] = "session_retired"


@dataclass(frozen=True, slots=True, kw_only=True)
class QrIssued(Event):
    """A QR code waits to be scanned."""

    kind: ClassVar[str] = "qr_issued"


@dataclass(frozen=True, slots=True, kw_only=True)
class PairingCodeIssued(Event):
    """A pairing code waits to be typed into the phone."""

    kind: ClassVar[str] = "pairing_code_issued"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRestricted(Event):
    """WhatsApp restricts the account, or lifts a restriction."""

    state: str
    """``restricted``, ``banned``, ``connected`` (given back) or ``warned``."""

    kind: ClassVar[str] = "account_restricted"


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityChanged(Event):
    """WhatsApp changed the rating of the number or of a template."""

    rating: str
    """A value of the attribute ``rating``."""
    template: str | None = None

    kind: ClassVar[str] = "quality_changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitChanged(Event):
    """A new limit of contacts that the business may write to first, per day."""

    per_day: float
    """Contacts a day; infinite without a limit."""

    kind: ClassVar[str] = "limit_changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateStatusChanged(Event):
    """A template was reviewed, paused, disabled or enabled again."""

    template: str
    state: str
    """A value of the attribute ``state`` of ``whatsapp.template.state``."""

    kind: ClassVar[str] = "template_status_changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentChanged(Event):
    """A contact opted in or out."""

    action: str

    kind: ClassVar[str] = "consent_changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEvent(Event):
    """A call arrived, or was accepted, refused or ended."""

    outcome: str

    kind: ClassVar[str] = "call_event"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactIdentityChanged(Event):
    """A contact changed its number, or another of its addresses became known."""

    new_contact_ref: str | None = None

    kind: ClassVar[str] = "contact_identity_changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderNotice(Event):
    """A documented event that moves no metric of the domain: presence, labels, groups, profile."""

    kind: ClassVar[str] = "provider_notice"


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookUnknown(Event):
    """A webhook, field or kind that no adapter knows."""

    kind: ClassVar[str] = "webhook_unknown"
