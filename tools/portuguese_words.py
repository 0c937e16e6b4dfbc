"""The Portuguese of what generators take from the code: ``tools/portuguese``, catalogues keyed by the English text."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Final

_FOLDER: Final = Path(__file__).resolve().parent / "portuguese"
SHIPPED: Final = Path(__file__).resolve().parent.parent / "whatsself_otel" / "language"
"""The catalogues that the package carries, because the command line says the same."""


class Words:
    """
    One page's catalogue, which notes the texts that were looked up.

    Args:
        page: Name of its file. A key has places, ``{}``, for what stays as it is.
        folder: Where its file is (default: ``tools/portuguese``).
    """

    def __init__(self, page: str, folder: Path | None = None) -> None:
        self._file = (folder or _FOLDER) / f"{page}.toml"
        self._known: dict[str, str] = {}
        for key, value in tomllib.loads(self._file.read_text(encoding="utf-8")).items():
            self._known |= value if isinstance(value, dict) else {key: value}
        self._missing: list[str] = []
        self._asked: set[str] = set()

    def __call__(self, text: str) -> str:
        """Return *text* in Portuguese; keep a missing text for `check`."""
        if not text:
            return text
        for key in (text, *sorted((key for key in self._known if "{}" in key), key=len, reverse=True)):
            found = re.fullmatch("(.+?)".join(map(re.escape, key.split("{}"))), text, re.DOTALL)
            if found and key in self._known:
                self._asked.add(key)
                return self._known[key].format(*found.groups()) if found.groups() else self._known[key]
        self._missing.append(text)
        return text

    def check(self) -> None:
        """
        Refuse a page that is not whole.

        Raises:
            ValueError: A text has no Portuguese, or the catalogue has one that nothing says any more.
        """
        stale = sorted(self._known.keys() - self._asked)
        if self._missing or stale:
            lines = [*(f"missing: {text}" for text in self._missing), *(f"stale: {text}" for text in stale)]
            raise ValueError(f"{self._file.name} is not whole:\n" + "\n".join(lines))
