"""
References of messages and contacts: stable, one-way, and never mistaken for a number by masking.

A provider's message id may hold the other side's whole phone (a ``wamid`` does, in base64), so it never leaves.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from typing import TYPE_CHECKING, Final

from whatsself_otel.masking import message_ref as cloud_ref
from whatsself_otel.masking import phones

if TYPE_CHECKING:
    from collections.abc import Callable

_LETTERS: Final = str.maketrans("0123456789abcdef", "ghjkmnpqrsabcdef")
"""Hexadecimal digits as letters: a run of digits would look like a phone or a document."""
_REFERENCE_CHARS: Final = 24
_JID: Final = re.compile(r"(?P<user>[^@:_.]{1,64})(?:[._][0-9]{1,3})?(?::[0-9]{1,4})?(?:@(?P<server>[a-z.]{1,24}))?")
_MESSAGE_REF: Final = re.compile(r"m_[a-z]{24}|wa[mc]id:[0-9a-f]{24}")
_PEOPLE: Final = frozenset({"s.whatsapp.net", "c.us", "hosted", None})
"""Servers of addresses that are phones."""
_PROCESS_KEY: Final = secrets.token_bytes(32)


def message_ref(value: str) -> str:
    """Return the reference of a provider's message id; for a Cloud API id, the one that masking uses too."""
    masked = cloud_ref(value)
    return masked if masked != value else _reference("m_", hashlib.sha256(value.encode(errors="replace")).hexdigest())


def as_message_ref(value: str) -> str:
    """Return *value* if it is a reference, else the reference of this message id."""
    return value if _MESSAGE_REF.fullmatch(value) else message_ref(value)


def accepted_id(message_id: str | None) -> str | None:
    """Return the event id of a message's acceptance, equal for an answer, an echo and a status."""
    return None if message_id is None else f"a_{as_message_ref(message_id)}"


def event_ref(*parts: object) -> str:
    """Return the id of the fact with these *parts*."""
    named = "\x1f".join(str(part) for part in parts)
    return _reference("e_", hashlib.sha256(named.encode(errors="replace")).hexdigest())


class ContactReferences:
    """
    Turns addresses of contacts into references.

    A phone has too few digits for a plain hash to hide it, so the reference is keyed. Without a pseudonym key file, the
    key belongs to this process, and the reference holds for the life of the process.

    Args:
        pseudonyms: `Masker.pseudonyms`: what a phone is called under each key; empty without keys.
    """

    def __init__(self, pseudonyms: Callable[[str], tuple[str, ...]] | None = None) -> None:
        self._pseudonyms = pseudonyms

    def __call__(self, address: str) -> str:
        """Return the reference of *address*: a phone, JID, LID or business-scoped user id."""
        subject = canonical_address(address)
        if self._pseudonyms is not None and subject.isdecimal() and (found := self._pseudonyms(f"+{subject}")):
            return found[0]
        return _reference("c_", hmac.new(_PROCESS_KEY, subject.encode(errors="replace"), hashlib.sha256).hexdigest())


def canonical_address(address: str) -> str:
    """Return *address* in the form that all spellings of one contact share: digits only if it is a phone."""
    parts = _JID.fullmatch(address.strip().lower()[:128])
    if parts is None:
        return address[:128]
    user = parts["user"].lstrip("+")
    if parts["server"] in _PEOPLE and user.isdecimal():
        return phones.canonical(user)
    return f"{user}@{parts['server']}"


def _reference(prefix: str, digest: str) -> str:
    return prefix + digest[:_REFERENCE_CHARS].translate(_LETTERS)
