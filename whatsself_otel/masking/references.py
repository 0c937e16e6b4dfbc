"""
Short, one-way references in place of WhatsApp's own ids.

A Cloud API id (``wamid.…`` of a message, ``wacid.…`` of a call) is base64 around the contact's whole phone. Its random
part makes a digest of it unguessable. The collector makes the same reference: both hash the text behind the dot.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

REFERENCE_DIGITS: Final = 24
"""Hex digits of a reference: 96 bits, so that no two ids of one business meet."""
REFERENCE: Final = re.compile(rf"wa[mc]id:[0-9a-f]{{{REFERENCE_DIGITS}}}(?![0-9a-f])")
"""Return the short reference of a Cloud API id."""
CLOUD_ID: Final = re.compile(r"(?<![A-Za-z0-9])(wa[mc]id)\.([A-Za-z0-9+/_-]{8,512})={0,2}")
"""A Cloud API id in a text: its kind, and the base64 without its padding."""
# The prefix may be missing where an application has cut it: 0x1c 0x18, then the length of a phone.
BARE_CLOUD_ID: Final = re.compile(r"(?<![A-Za-z0-9+/_.-])()(HBg[H-P][A-Za-z0-9+/_-]{16,512})={0,2}")


def message_ref(message_id: str) -> str:
    """
    Return the short, stable, one-way reference of a Cloud API id; any other id as it is.

    Args:
        message_id: What the provider calls the message or call, such as ``wamid.HBgN…``.
    """
    found = CLOUD_ID.fullmatch(message_id) or BARE_CLOUD_ID.fullmatch(message_id)
    return reference(found[1], found[2]) if found is not None else message_id


def reference(kind: str, content: str) -> str:
    """Return the reference for the base64 *content* of an id of *kind*, ``wamid`` or ``wacid``."""
    return f"{kind or 'wamid'}:{hashlib.sha256(content.encode()).hexdigest()[:REFERENCE_DIGITS]}"
