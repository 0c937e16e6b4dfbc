"""One text while it is read: the state that the detectors' readers share."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from whatsself_otel.masking.keys import KeyPlan, KeyRules
    from whatsself_otel.masking.noise import View


MAX_TEXT_CHARS: Final = 262_144
"""A longer text is cut here, and says so: Loki takes no longer line."""


@cache
def token(rule: str) -> str:
    """The constant that replaces what *rule* found."""
    return f"[masked:{rule}]"


class Finding(NamedTuple):
    """One piece of a text that must not leave, in positions of the text itself."""

    start: int
    end: int
    rule: str
    digits: str = ""
    """The number of a phone or JID, calling code included; of a reference, the text that it is made from."""
    country: str = ""
    """Calling code; empty where it is not known."""
    kept: str = ""
    """What stays of it: a device suffix, the part of a statement without literals."""


class Reading:
    """
    One reading of one text.

    A reader is a function of a reading and a position: it returns what stands there, or None.
    """

    __slots__ = ("codes", "done", "findings", "is_url", "key_rules", "plan", "raw", "text", "view")

    def __init__(
        self,
        raw: str,
        view: View,
        plan: Callable[[str], KeyPlan],
        key_rules: KeyRules,
        codes: tuple[str, ...] = (),
        *,
        is_url: bool = False,
    ) -> None:
        self.raw = raw
        self.view = view
        self.text = view.text
        self.plan = plan
        self.key_rules = key_rules
        self.codes = codes
        """Calling codes of countries whose national numbers are read beside Brazil's."""
        self.is_url = is_url
        self.done = 0
        """Where the last finding ends: nothing before it is read again."""
        self.findings: list[Finding] = []

    def add(self, found: Finding) -> None:
        """Take *found*, unless it begins inside the one before."""
        if found.start >= self.done and found.end > found.start:
            self.findings.append(found)
            self.done = found.end


MASKED_PHONE: Final = re.compile(
    r"(?:\+[0-9]{1,3}\*{8}[0-9]{0,4}|\[masked:(?:phone|jid|email|error)\]|status|p_[0-9a-f]{24})(?:-[0-9]{4,16})?"
    r"(?:[._][0-9]{1,3})?(?::[0-9]{1,4})?(?:@[a-z.]{3,15})?"
)
"""What masking leaves of a phone or address: it is not masked again."""
MASKED: Final = re.compile(r"\[masked:[a-z0-9_]{1,40}\]|REDACTED:REDACTED|\?(?=[\s,;)\]}&'\"]|\Z)")
"""What masking leaves of anything else."""


def is_alphanumeric(char: str) -> bool:
    """Return whether *char* is an ASCII letter or digit."""
    return char.isascii() and char.isalnum()
