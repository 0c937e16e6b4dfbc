"""Recognise handlers that write to standard output or standard error, and libraries that print past logging."""

from __future__ import annotations

import logging
import os
import sys
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAMES: Final = frozenset({"<stdout>", "<stderr>"})
WIRING: Final = {
    "loguru": (
        "Give it the handler: "
        'loguru.logger.configure(handlers=[{"sink": telemetry.log_handler, "format": "{message}"}]).'
    ),
    "structlog": "Give it logger_factory=structlog.stdlib.LoggerFactory() in structlog.configure() (docs/logs.md).",
}
"""Libraries that write to the console past logging, each with the way to bring its lines here."""


class Consoles:
    """Recognises handlers that write to the console, by their stream."""

    def __init__(self) -> None:
        self._known: weakref.WeakKeyDictionary[Any, bool] = weakref.WeakKeyDictionary()

    def __contains__(self, handler: logging.Handler) -> bool:
        """Return whether *handler* writes to standard output or standard error."""
        stream = _stream_of(handler)
        if stream is None:
            return isinstance(handler, logging.FileHandler) and _is_standard_file(handler.baseFilename)
        if any(stream is each for each in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__)):
            return True
        try:
            known = self._known.get(stream)
            if known is None:
                known = self._known[stream] = is_console_stream(stream)
        except TypeError:  # a stream that cannot be remembered
            return is_console_stream(stream)
        return known


def is_console_stream(stream: object) -> bool:
    """Return whether *stream* writes to standard output or standard error."""
    if getattr(stream, "name", None) in _NAMES:
        return True
    try:
        return _is_standard_file(stream.fileno())  # type: ignore[attr-defined]  # what has none is no file
    except (AttributeError, OSError, TypeError, ValueError):
        return False


def past_logging() -> Iterator[str]:
    """Yield a problem for each imported library that writes to the console directly."""
    if (loguru := sys.modules.get("loguru")) is not None and _writes_by_loguru(loguru):
        yield _problem("loguru")
    if (output := sys.modules.get("structlog._output")) is not None and _writes_by_structlog(output):
        yield _problem("structlog")


def _problem(library: str) -> str:
    return f"{library} writes to the console past this package, neither masked nor exported. {WIRING[library]}"


def _stream_of(handler: logging.Handler) -> Any:
    """Return the target of *handler*: its stream, or the file of its console, as rich's handler has."""
    stream = getattr(handler, "stream", None)
    return stream if stream is not None else getattr(getattr(handler, "console", None), "file", None)


def _is_standard_file(file: int | str) -> bool:
    """Return whether *file*, a number or a path, is the file of standard output or standard error."""
    standard = [number for number, stream in ((1, sys.__stdout__), (2, sys.__stderr__)) if stream is not None]
    try:
        found = os.fstat(file) if isinstance(file, int) else Path(file).stat()
        return any(os.path.samestat(found, os.fstat(number)) for number in standard)
    except OSError:
        return False


def _writes_by_loguru(loguru: Any) -> bool:
    """Return whether loguru has logged a message and one of its sinks is the console."""
    core = getattr(loguru.logger, "_core", None)
    sinks = [getattr(handler, "_sink", None) for handler in getattr(core, "handlers", {}).values()]
    streams = [getattr(sink, "_stream", None) for sink in sinks]
    return bool(getattr(core, "enabled", None)) and any(map(is_console_stream, streams))


def _writes_by_structlog(output: Any) -> bool:
    """Return whether structlog has made a printing logger, by the lock that it keeps for each stream."""
    return any(map(is_console_stream, list(getattr(output, "WRITE_LOCKS", ()))))
