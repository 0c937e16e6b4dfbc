"""Opaque ids in the manner of cuid: no phone, no sequence that a stranger could guess."""

from __future__ import annotations

import secrets
import string
from typing import Final

_ALPHABET: Final = string.ascii_lowercase + string.digits
ID_LENGTH: Final = 25


def new_provider_id() -> str:
    """Return an id as WhatsApp's clients choose it before they send; acknowledgements name it."""
    return "3EB0" + secrets.token_hex(9).upper()


def new_id() -> str:
    """Return ``c`` and 24 random lower-case letters and digits."""
    return "c" + "".join(secrets.choice(_ALPHABET) for _ in range(ID_LENGTH - 1))
