"""Pseudonyms of contacts, and the file of the keys they are made with."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Final

from whatsself_otel.masking import phones

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from whatsself_otel.masking.reading import Finding

PSEUDONYM_DIGITS: Final = 24
MIN_KEY_BYTES: Final = 16


def pseudonym_of(key: bytes, found: Finding, original: str) -> str:
    """Return the pseudonym under *key* of what *found* is in *original*: of one contact it is always the same."""
    kind = "" if found.country else f"{found.rule}:"
    subject = kind + (phones.canonical(found.digits) if found.digits else original.lower())
    return f"p_{hmac.new(key, subject.encode(errors='replace'), hashlib.sha256).hexdigest()[:PSEUDONYM_DIGITS]}"


def read_keys(path: Path | None) -> tuple[bytes, ...]:
    """Return the keys of the file, the one that writes first."""
    if path is None:
        return ()
    lines = path.read_text(encoding="utf-8").splitlines()
    return tuple(line.strip().encode() for line in lines if line.strip() and not line.startswith("#"))


def key_file_problems(path: Path) -> Iterator[str]:
    """Yield each problem of the file of keys as one sentence."""
    try:
        keys = read_keys(path)
    except (OSError, ValueError) as error:  # a path with a NUL in it is a ValueError, as is text that is not UTF-8
        yield f"pseudonym_key_file cannot be read ({type(error).__name__}); give a text file the application may read"
        return
    if not keys:
        yield "pseudonym_key_file holds no key; write one line of random text, as from `openssl rand -hex 32`"
    if any(len(key) < MIN_KEY_BYTES for key in keys):
        yield f"pseudonym_key_file holds a key shorter than {MIN_KEY_BYTES} characters; use `openssl rand -hex 32`"
