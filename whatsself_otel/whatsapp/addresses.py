"""Contacts and numbers across payloads: references, and addresses that belong to one person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from whatsself_otel.whatsapp.reading import text
from whatsself_otel.whatsapp.references import ContactReferences, canonical_address

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_ALIASES: Final = 20_000
"""Addresses with a known phone. Beyond it, all are forgotten and learned again."""
MAX_NUMBERS: Final = 1_000

_GROUP: Final = "@g.us"
_CHANNEL: Final = "@newsletter"
_BROADCAST: Final = "@broadcast"


class Addresses:
    """
    Makes references of contacts, and learns which addresses belong to one person.

    Args:
        references: Turns one address into a reference.
    """

    def __init__(self, references: ContactReferences | None = None) -> None:
        self._reference = references or ContactReferences()
        self._phones: dict[str, str] = {}
        """Canonical phone by LID or business-scoped user id."""
        self._alone: set[str] = set()
        """Addresses that named a contact while its phone was unknown."""
        self._numbers: dict[str, str] = {}
        """Phone number id of the Cloud API by the number that is shown."""

    def contact(self, *addresses: object) -> str | None:
        """
        Return the reference of the contact with all of *addresses*; a phone takes precedence.

        Args:
            addresses: Phones, JIDs, LIDs and user ids, any of them absent.
        """
        known = [canonical_address(found) for address in addresses if (found := text(address))]
        if not known:
            return None
        phone = next((each for each in known if each.isdecimal()), None)
        if phone is None:
            phone = next((self._phones[each] for each in known if each in self._phones), None)
        if phone is None:
            self._note_alone(known[0])
            return self._reference(known[0])
        self._learn(phone, known)
        return self._reference(phone)

    def is_news(self, *addresses: object) -> bool:
        """Return whether *addresses* give a phone to a contact that another address named so far."""
        known = [canonical_address(found) for address in addresses if (found := text(address))]
        return any(each.isdecimal() for each in known) and any(each in self._alone for each in known)

    def plain(self, address: object) -> str | None:
        """Return the reference of *address* alone, without knowledge of its contact."""
        found = text(address)
        return None if found is None else self._reference(canonical_address(found))

    def note_number(self, metadata: Mapping[str, Any]) -> str | None:
        """Note the number that a phone number id shows; return the id."""
        number_id, shown = text(metadata.get("phone_number_id")), text(metadata.get("display_phone_number"))
        if number_id and shown:
            if len(self._numbers) >= MAX_NUMBERS:
                self._numbers.clear()
            self._numbers[canonical_address(shown)] = number_id
        return number_id

    def number_id(self, shown: object) -> str | None:
        """Return the phone number id of the shown number, if it was seen."""
        found = text(shown)
        return None if found is None else self._numbers.get(canonical_address(found))

    def _note_alone(self, address: str) -> None:
        if len(self._alone) >= MAX_ALIASES:
            self._alone.clear()
        self._alone.add(address)

    def _learn(self, phone: str, known: list[str]) -> None:
        for each in known:
            if not each.isdecimal():
                if len(self._phones) >= MAX_ALIASES:
                    self._phones.clear()
                self._phones[each] = phone
                self._alone.discard(each)


def chat_of(address: object) -> str:
    """Return which kind of chat *address* is."""
    found = text(address) or ""
    if found.endswith(_GROUP):
        return "group"
    if found.endswith(_CHANNEL):
        return "channel"
    return "broadcast" if found.endswith(_BROADCAST) else "person"
