"""
Writes the collector's rules of names into collector/config.yaml, from the table that the package masks by.

    python tools/generate_collector_masking.py            # write
    python tools/generate_collector_masking.py --check    # exit 1 if the file is not what would be written

RE2 has no look-ahead, so a name is matched at its end, in any case style: behind a separator, or as a word of camels.
docs/masking.md lists what that cannot do.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pages import write_or_check

from whatsself_otel.masking.keys import KEY_RULES, KeyRule

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

CONFIG: Final = Path(__file__).resolve().parent.parent / "collector" / "config.yaml"
_BEGIN: Final = "      # From the package's table, by tools/generate_collector_masking.py:\n"
_END: Final = "      # (end of what is generated)\n"
_TEXT_BEGIN: Final = "      # Known names inside text that is JSON, by tools/generate_collector_masking.py.\n"
_TEXT_VALUE: Final = r'\\{1,7}"[^"]*"|"([^"\\]|\\.)*"|-?[0-9.]+|\[[^\]]*\]|\{[^}]*\}'
_LONG_NAME: Final = 5
TECHNICAL_ELSEWHERE: Final = frozenset({"name", "names", "message", "messages", "input", "prompt", "notify"})
"""Whole names that other senders give to their own text: the detectors read what stands there."""


def patterns() -> list[str]:
    """The expressions that a blocked name matches, one a rule."""
    return [_pattern(rule) for rule in KEY_RULES]


def _pattern(rule: KeyRule) -> str:
    endings = sorted(name for name in (*rule.strict, *rule.exact, *_qualified(rule)) if not _counts(name, rule))
    snake = "|".join(ending.replace("_", "[._-]?") for ending in endings)
    camel = "|".join(sorted({"".join(word.title() for word in ending.split("_")) for ending in endings}))
    whole = "|".join(sorted(name for name in rule.outside_telemetry if not _stays(name, rule)))
    parts = [f"(^|[._ -])(?i:{snake})", f"[a-z0-9]({camel})"]
    if whole:
        parts.append(f"^(?i:{whole})")
    return f"({'|'.join(parts)})$"


def _counts(name: str, rule: KeyRule) -> bool:
    """Return whether *name* may count: ``max_tokens`` is a number, and redaction asks no type."""
    return name.endswith("s") and rule.rule in {"secret", "body"}


def _stays(name: str, rule: KeyRule) -> bool:
    return name in TECHNICAL_ELSEWHERE or _counts(name, rule)


def _qualified(rule: KeyRule) -> Iterator[str]:
    for word, before in rule.qualified:
        yield from (f"{owner}_{word}" for owner in before.split())


def _block() -> str:
    rows = (f"      - '{pattern}'\n" for pattern in patterns())
    return f"{_BEGIN}{''.join(rows)}{_END}"


def text_pattern() -> str:
    """
    The expression of a name and its value in JSON inside a text, and in JSON in a string of it.

    A long name may have words before it; a short one (``lid``) would end other words (``valid``).
    """
    found = {name for name, _ in names()}
    long = _alternatives(name for name in found if len(name) >= _LONG_NAME)
    short = _alternatives(name for name in found if len(name) < _LONG_NAME)
    return rf'(?i)"([a-z0-9_.-]{{0,40}}({long})|{short})\\{{0,7}}"\s*:\s*({_TEXT_VALUE})'


def _alternatives(found: Iterable[str]) -> str:
    return "|".join(sorted(name.replace("_", "[._-]?") for name in found))


def config(text: str) -> str:
    """*text*, the configuration, with its rules of names written again."""
    text = re.sub(
        re.escape(_TEXT_BEGIN) + r"[^\n]*\n", lambda _: f"{_TEXT_BEGIN}      - '{text_pattern()}'\n", text, count=1
    )
    return re.sub(re.escape(_BEGIN) + r"[\s\S]*?" + re.escape(_END), lambda _: _block(), text, count=1)


def names() -> Iterable[tuple[str, str]]:
    """Every name of the table that the collector has to block, with its rule."""
    for rule in KEY_RULES:
        for name in (*rule.strict, *rule.exact, *_qualified(rule), *rule.outside_telemetry):
            if not _stays(name, rule):
                yield name, rule.rule


if __name__ == "__main__":
    sys.exit(write_or_check(__doc__, {CONFIG: config(CONFIG.read_text(encoding="utf-8"))}, None))
