"""What became of a message, read off its spans and log lines in whatever order they come."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Final, Self

from whatsself_otel.catalogue import FLOW_ID, SESSION, TRIGGER_ID

if TYPE_CHECKING:
    from collections.abc import Mapping

OUTCOMES: Final = ("read", "delivered", "sent", "failed", "unanswered")
DIRECTIONS: Final = ("inbound", "outbound")
_CLIENT: Final = 3
_QUEUES: Final = (4, 5)
_SERVER: Final = 2
_STATUSES: Final = {
    "accepted": "sent_ns",
    "sent": "sent_ns",
    "delivered": "delivered_ns",
    "read": "read_ns",
    "played": "read_ns",
    "failed": "failed_ns",
}
_ERROR_SEVERITY: Final = 17
_BRIDGED: Final = re.compile(
    r"(message_received|message_accepted|message_rejected|delivery_status)((?: \w+)*) \((\w+) [^()]*\)"
)
"""A log line of the bridge: event, its status and reason, its provider."""
_BRIDGED_STATUSES: Final = {"message_accepted": "sent", "message_rejected": "failed"}


@dataclass(slots=True, kw_only=True)
class Signs:
    """
    Signs of one message so far; times are Unix nanoseconds, 0 for never.

    A time is that of the last such event, so that a retry that works outweighs the failure before it.
    """

    direction: str = ""
    kind: str = ""
    session: str = ""
    provider: str = ""
    flow: str = ""
    reason: str = ""
    """Why it failed, the last time."""
    received_ns: int = 0
    sent_ns: int = 0
    delivered_ns: int = 0
    read_ns: int = 0
    failed_ns: int = 0
    """A failure of the sending itself."""
    broken_ns: int = 0
    """A failure around it, which counts only while nothing was sent."""

    def merge(self, other: Signs) -> None:
        """Add what *other* knows."""
        if other.reason and max(other.failed_ns, other.broken_ns) >= max(self.failed_ns, self.broken_ns):
            self.reason = other.reason
        for name in _TEXTS:
            setattr(self, name, getattr(self, name) or getattr(other, name))
        for name in _TIMES:
            setattr(self, name, max(getattr(self, name), getattr(other, name)))
        if other.direction == "inbound":
            self.direction = "inbound"  # a reply belongs to what it answers

    @property
    def outcome(self) -> str:
        """One of `OUTCOMES`, or empty without any sign."""
        reached = max(self.sent_ns, self.delivered_ns, self.read_ns)
        if self.failed_ns > reached or (self.broken_ns and not reached):
            return "failed"
        for name in ("read", "delivered", "sent"):
            if getattr(self, f"{name}_ns"):
                return name
        return "unanswered" if self.direction == "inbound" else ""

    def as_json(self) -> dict[str, Any]:
        """Return the known signs only."""
        return {name: value for name, value in asdict(self).items() if value}

    @classmethod
    def from_json(cls, known: Mapping[str, Any]) -> Self:
        """Return what `as_json` said."""
        return cls(**known)


_TEXTS: Final = tuple(each.name for each in fields(Signs) if not each.name.endswith("_ns") and each.name != "reason")
_TIMES: Final = tuple(each.name for each in fields(Signs) if each.name.endswith("_ns"))


def of_span(name: str, kind: int, found: Mapping[str, Any], end_ns: int, failure: str | None) -> Signs:
    """
    Return the signs in one span.

    Args:
        name: Of the span.
        kind: OTLP's number of its kind.
        found: Its attributes.
        end_ns: Unix time of its end, in nanoseconds.
        failure: Why it failed, possibly empty; None if it did not.
    """
    signs = _common(found, end_ns)
    is_send = kind == _CLIENT and name.casefold().startswith("send")
    if failure is None:
        if is_send:
            signs.sent_ns = end_ns
        return signs
    if is_send:
        signs.failed_ns = end_ns
    elif kind in _QUEUES or kind == _SERVER:
        signs.broken_ns = end_ns
    if signs.failed_ns or signs.broken_ns:
        signs.reason = signs.reason or str(found.get("error.type") or failure)
    return signs


def of_log(text: str, severity: int, found: Mapping[str, Any], at_ns: int) -> Signs:
    """
    Return the signs in one log line.

    Args:
        text: The line.
        severity: OTLP's number.
        found: Its attributes.
        at_ns: Unix time in nanoseconds.
    """
    signs = _common(found, at_ns)
    if bridged := _BRIDGED.fullmatch(text):
        event, details, provider = bridged[1], bridged[2].split(), bridged[3]
        signs.provider = provider
        if event == "message_received":
            signs.direction, signs.received_ns = "inbound", at_ns
            return signs
        status = _BRIDGED_STATUSES.get(event) or (details.pop(0) if details else "")
        signs.direction = "outbound"
        _note_status(signs, status, at_ns, " ".join(details))
    elif isinstance(found.get("kind"), str) and "receiv" in text.casefold():
        signs.direction, signs.received_ns = "inbound", at_ns
    elif severity >= _ERROR_SEVERITY and found.get("reason"):
        signs.failed_ns, signs.reason = at_ns, str(found["reason"])
    return signs


def _common(found: Mapping[str, Any], at_ns: int) -> Signs:
    signs = Signs(session=_text(found, SESSION), provider=_text(found, "provider"), kind=_text(found, "kind"))
    signs.flow = _text(found, FLOW_ID) or _text(found, TRIGGER_ID)
    if found.get("direction") in DIRECTIONS:
        signs.direction = str(found["direction"])
    elif found.get("origin") in {"broadcast", "manual"}:
        signs.direction = "outbound"
    _note_status(signs, _text(found, "status"), at_ns, _text(found, "reason"))
    return signs


def _note_status(signs: Signs, status: str, at_ns: int, reason: str) -> None:
    if name := _STATUSES.get(status):
        setattr(signs, name, at_ns)
    if status == "failed":
        signs.reason = reason


def _text(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    return value[:100] if isinstance(value, str) else ""
