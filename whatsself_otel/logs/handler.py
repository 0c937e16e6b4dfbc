"""The log handler: mask each record once, write it as a line and export it."""

from __future__ import annotations

import logging
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context as otel_context

from whatsself_otel.catalogue import REQUEST_ID, ROUTE
from whatsself_otel.context import CORRELATION_KEYS, EXPORTING, BoundIds, current_attributes, current_request
from whatsself_otel.logs.fields import MAX_TEXT, clean_text, plain
from whatsself_otel.logs.format import format_json, format_pretty
from whatsself_otel.logs.levels import level_of
from whatsself_otel.logs.reading import exception_of, extras_of, is_event, message_of, unfold_event
from whatsself_otel.logs.record import MAX_EXTRAS, LogEntry, MaskedLogRecord
from whatsself_otel.logs.statements import content_of
from whatsself_otel.processes.forks import hold_while_forking
from whatsself_otel.remembered import Remembered
from whatsself_otel.traces.current_span import span_of_ours

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry._logs import LoggerProvider
    from opentelemetry.context import Context

    from whatsself_otel.logs.format import LogSettings
    from whatsself_otel.masking import Masker

UNCAUGHT: Final = "uncaught"
"""The logger for uncaught exceptions."""

OUTSIDE: Final = object()
"""Marks a thread that handles no record from a logger."""

FILED: Final = object()
"""Marks a record that went to a non-console stream, and not to this handler yet."""

RELAYED: Final = "_whatsself_otel_taken"
"""Attribute of records that wait in a queue: they were exported before they entered it."""

_ID_KEYS: Final = (REQUEST_ID, ROUTE, *CORRELATION_KEYS[1:])
"""The ids of a line, in display order."""

_ID_NAMES: Final = frozenset(_ID_KEYS)
_RESERVED: Final = frozenset({"level", "ts", "msg", "logger", "traceId", "spanId", "err", "service", "environment"})
_TEXTS: Final = {str}
_MAX_LOGGERS: Final = 1024
_MAX_REMEMBERED: Final = 2048
_MAX_REMEMBERED_CHARS: Final = 256
"""Clean texts and fields that are cached, and their greatest length: at most 2 MB."""

_QUIET: Final = ("opentelemetry", "urllib3", "requests", "grpc", "whatsself_otel")
"""Loggers of the export path: written from WARNING up, never exported. Exporting them would make new records."""

_ACCESS_LOGGERS: Final = ("uvicorn.access", "gunicorn.access", "hypercorn.access")
"""Access loggers. Their line describes the whole request, so it carries the ids of the server span."""


class _Passing(threading.local):
    """State of one thread's record handling."""

    record: object = OUTSIDE
    """The last record that this handler took from a logger; None if it has not taken the current one yet."""
    busy: bool = False
    """Whether a record is being masked or written. Records that this causes are ignored, else they would loop."""


class TelemetryHandler(logging.Handler):
    """
    Writes each record as a masked line and exports it, once, even if several handlers pass it on.

    It never raises and never blocks on the network. A field that cannot be rendered costs that field, not the record.

    Args:
        masker: Hides personal data.
        settings: Format of the lines.
        provider: Exports the records; None: no export.
        on_error: Called with ``logs`` after each error.
    """

    def __init__(
        self,
        masker: Masker,
        settings: LogSettings,
        provider: LoggerProvider | None,
        on_error: Callable[[str], None] = lambda _component: None,
    ) -> None:
        super().__init__()
        self.passing = _Passing()
        self.masker = masker
        self._settings = settings
        self.provider = provider
        self._take: Callable[[LogEntry], bool] | None = getattr(provider, "take", None)
        self._on_error = on_error
        self._loggers: Remembered[str, Any] = Remembered(_MAX_LOGGERS)
        self._clean_texts: Remembered[str, None] = Remembered(_MAX_REMEMBERED)
        self._clean_fields: Remembered[tuple[str, Any], bool] = Remembered(_MAX_REMEMBERED)
        self._stream_seen: Any = None
        self._stream_logs = False
        self._writing = threading.RLock()  # a signal handler may log in the middle of a line
        hold_while_forking(self._writing)

    def handle(self, record: logging.LogRecord, *, write: bool = True) -> bool:
        """Handle *record* unless it was handled before. This takes no handler lock."""
        passing = self.passing
        if passing.record is record or RELAYED in record.__dict__:
            return True
        if self.filters:
            found: Any = self.filter(record)  # from Python 3.12 on a filter may return another record
            if not found:
                return False
            record = found if isinstance(found, logging.LogRecord) else record
        if passing.record is not OUTSIDE:
            passing.record = record
        self.emit(record, write=write)
        return True

    def emit(self, record: logging.LogRecord, *, write: bool = True) -> None:
        """Mask *record* and export it; with *write*, write its line too."""
        if record.name.partition(".")[0] in _QUIET:
            if record.levelno >= self._settings.sdk_level:
                self._handle(record, otel_context.get_current(), export=False, write=write)
        elif self.passing.busy:  # a masking rule or a repr that logs would recurse without end
            self._on_error("logs")
        else:
            self.passing.busy = True
            try:
                context = otel_context.get_current()
                self._handle(record, context, export=not context.get(EXPORTING), write=write)
            finally:
                self.passing.busy = False

    def _handle(self, record: logging.LogRecord, context: Context, *, export: bool, write: bool) -> None:
        try:
            entry = self._entry(record, context)
        except Exception:  # noqa: BLE001 - a hostile record must not reach the caller
            self._on_error("logs")
            entry = self._unreadable(record)
        if write:
            self._write(entry)
        if export and self.provider is not None:
            self._export(entry)

    def _entry(self, record: logging.LogRecord, context: Context) -> LogEntry:
        level, severity = level_of(record.levelno)
        if type(record.msg) is not str and is_event(record.msg):
            record = unfold_event(record)
        if hide := content_of(record.name):
            record = hide(record, self.masker)
        extra = self._extra(record)
        is_given = not _ID_NAMES.isdisjoint(extra)
        given: dict[str, Any] = {key: extra.pop(key) for key in _ID_KEYS if key in extra} if is_given else {}
        return LogEntry(
            timestamp_ns=int(record.created * 1_000_000_000),
            level=level,
            severity=severity,
            message=message if (message := message_of(record)) in self._clean_texts else self._text(message),
            logger=record.name if record.name in self._clean_texts else self._text(record.name),
            ids=self._ids(record.name, context, given),
            extra=extra,
            error=self._error(record) if record.exc_info or record.exc_text else None,
            span_context=span_of_ours(context).get_span_context(),
        )

    def _ids(self, logger: str, context: Context, given: Mapping[str, Any]) -> dict[str, str]:
        request, current = current_request(context), current_attributes(context)
        route = None if request is None else request.route
        is_usual = not given and logger not in _ACCESS_LOGGERS
        if is_usual and type(current) is BoundIds and current.shown[:2] == (self, route):
            return current.shown[2]
        late = {} if request is None or is_usual else request.late_attributes
        bound: dict[str, Any] = {**late, **current, **given}
        if route:
            bound.setdefault(ROUTE, route)
        raw = {key: str(bound[key]) for key in filter(bound.__contains__, _ID_KEYS)}
        masked = {key: clean_text(self.masker.identifier(value)) for key, value in raw.items()}
        if is_usual and type(current) is BoundIds and masked == raw:
            current.shown = self, route, masked
        return masked

    def _extra(self, record: logging.LogRecord) -> dict[str, Any]:
        found = extras_of(record)
        if not found:
            return found
        if isinstance(found.get("extra"), dict):  # loguru puts bound fields there
            found |= found.pop("extra")
        kept = found.items() if len(found) <= MAX_EXTRAS else list(found.items())[:MAX_EXTRAS]
        named = {f"extra_{key}" if key in _RESERVED else key: value for key, value in kept}
        if self._is_clean(named):
            return named
        extra = {key: plain(value) for key, value in self.masker.attributes(named).items()}
        for key, value in named.items():
            if type(value) is str and extra.get(key) == value and len(value) <= _MAX_REMEMBERED_CHARS:
                self._clean_fields.keep((key, value), True)
        extra.update({key: named[key] for key in _ID_KEYS if key in named})
        return extra

    def _is_clean(self, fields: dict[str, Any]) -> bool:
        """Return whether each of *fields* is a text that masking left unchanged before."""
        return {*map(type, fields.values())} == _TEXTS and None not in map(self._clean_fields.get, fields.items())

    def _error(self, record: logging.LogRecord) -> dict[str, str] | None:
        found = exception_of(record)
        if found is None:
            return None
        kind, message, stack = found
        return {"type": kind, "message": self._text(message), "stack": self._text(stack)}

    def _text(self, text: str) -> str:
        """Return *text* masked. A clean text is cached, because most lines repeat."""
        if text in self._clean_texts:
            return text
        masked = clean_text(self.masker.text(text))[:MAX_TEXT]
        if masked == text and len(text) <= _MAX_REMEMBERED_CHARS:
            self._clean_texts.keep(text, None)
        return masked

    def _unreadable(self, record: logging.LogRecord) -> LogEntry:
        level, severity = level_of(record.levelno)
        return LogEntry(
            timestamp_ns=time.time_ns(),
            level=level,
            severity=severity,
            message="[unreadable log record]",
            logger=clean_text(str(record.name)),
            ids={},
            extra={},
            error=None,
            span_context=span_of_ours().get_span_context(),
        )

    def _write(self, entry: LogEntry) -> None:
        silent = self._settings.silent
        if silent and entry.logger != UNCAUGHT:
            return
        # An uncaught exception is shown even if lines are switched off: its traceback would be lost otherwise.
        try:
            stream = self._settings.stream or (
                self._console(sys.stderr, sys.__stderr__) if silent else self._console(sys.stdout, sys.__stdout__)
            )
            line = format_pretty(entry) if self._settings.pretty else format_json(entry, self._settings)
            with self._writing:
                stream.write(line + "\n")
                stream.flush()
        except Exception:  # noqa: BLE001 - a closed stdout must not stop the application
            self._on_error("logs")

    def _console(self, stream: Any, original: Any) -> Any:
        """Return *stream*, or *original* if *stream* turns its text into log records, as Celery's does."""
        if stream is not self._stream_seen:
            self._stream_seen = stream
            attributes = vars(stream).values() if hasattr(stream, "__dict__") else ()
            self._stream_logs = any(isinstance(value, logging.Logger) for value in attributes)
        return original if self._stream_logs else stream

    def _export(self, entry: LogEntry) -> None:
        try:
            if self._take is None or not self._take(entry):
                (self._loggers.get(entry.logger) or self._logger(entry.logger)).emit(MaskedLogRecord(entry))
        except Exception:  # noqa: BLE001 - telemetry must not stop the application
            self._on_error("logs")

    def _logger(self, name: str) -> Any:
        """Return the provider's logger *name* from a cache; asking the provider takes a lock each time."""
        assert self.provider is not None  # noqa: S101 - its only caller has looked
        return self._loggers.keep(name, self.provider.get_logger(name))
