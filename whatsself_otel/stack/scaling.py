"""Rules and routes with every duration divided, so that a simulation need not wait as long as operators."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from whatsself_otel.stack.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterator

_UNITS_MS: Final = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION: Final = re.compile(r"(?<![\w.:/])(\d+)(ms|[smhd])(?![\w:.])")
"""A duration outside names such as ``slo:error_ratio:5m``. The rules write every time so, thresholds too."""
_TIMED: Final = frozenset({"expr", "for", "keep_firing_for", "interval"})
"""Keys with durations in a rule file. Texts for people, and labels that name a window, stay."""


def divide(duration: str, speed: float) -> str:
    """
    Return *duration* divided by *speed*.

    Raises:
        CommandError: Less than a millisecond would be left, which Prometheus cannot wait.
    """
    number, unit = re.fullmatch(r"(\d+)(ms|[smhd])", duration).groups()  # type: ignore[union-attr]
    left_ms = int(number) * _UNITS_MS[unit] / speed
    if 0 < left_ms < 1:
        raise CommandError(f"{duration} divided by {speed:g} is less than a millisecond. Choose a lower speed.")
    return f"{round(left_ms)}ms"


def faster(text: str, speed: float) -> str:
    """Return *text* with every duration in it divided by *speed*."""
    return _DURATION.sub(lambda match: divide(match[0], speed), text)


def faster_rules(text: str, speed: float) -> str:
    """Return a rule file of tools/generate_rules.py with every duration of its rules divided."""
    return "\n".join(_rules(text.split("\n"), speed))


def _rules(lines: list[str], speed: float) -> Iterator[str]:
    timed, margin = False, 0
    for line in lines:
        indent = len(line) - len(line.lstrip(" -"))
        key = re.match(r"[ -]*(\w+):", line)
        # What is indented more than its key is that key's block.
        if key and (not timed or indent <= margin):
            timed, margin = key[1] in _TIMED, indent
        yield faster(line, speed) if timed else line
