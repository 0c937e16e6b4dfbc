"""Map levels of Python's logging to Pino's names and OpenTelemetry's numbers."""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING, Final

from opentelemetry._logs import SeverityNumber

if TYPE_CHECKING:
    from collections.abc import Callable

TRACE_LEVEL: Final = 5
"""Pino has a level below debug; Python's logging has room for it."""

_LEVELS: Final = (
    (logging.CRITICAL, "fatal", SeverityNumber.FATAL),
    (logging.ERROR, "error", SeverityNumber.ERROR),
    (logging.WARNING, "warn", SeverityNumber.WARN),
    (logging.INFO, "info", SeverityNumber.INFO),
    (logging.DEBUG, "debug", SeverityNumber.DEBUG),
    (logging.NOTSET, "trace", SeverityNumber.TRACE),
)
LEVEL_NUMBERS: Final = {"trace": TRACE_LEVEL, **{name: number for number, name, _ in _LEVELS[:-1]}}


@functools.lru_cache(maxsize=256)
def level_of(number: int) -> tuple[str, SeverityNumber]:
    """Return Pino's name and OpenTelemetry's severity of the level *number*."""
    return next(((name, severity) for least, name, severity in _LEVELS if number >= least), _LEVELS[-1][1:])


def set_sdk_level(level: int) -> Callable[[], None]:
    """Let loggers of OpenTelemetry and of this package make records from *level* on; return a function to undo it."""
    before = [(logger, logger.level) for logger in map(logging.getLogger, ("opentelemetry", "whatsself_otel"))]
    for logger, _ in before:
        logger.setLevel(level)

    def undo() -> None:
        for logger, found in before:
            logger.setLevel(found)

    return undo
