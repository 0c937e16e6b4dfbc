"""What a command printed for programs."""

from __future__ import annotations

import json
from typing import Any


def content(text: str) -> dict[str, Any]:
    """Return the one JSON object that *text* is, without the name of its schema."""
    found: dict[str, Any] = json.loads(text)
    assert found.pop("schema").startswith("whatsself-otel/")
    return found
