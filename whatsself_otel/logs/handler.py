"""The log handler: mask each record once, write it as a line and export it."""

from __future__ import annotations

import logging
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context as otel_context
from opentelemetry.sdk._logs import Logger, LogRecordLimits

from whatsself_otel.catalogue import REQUEST_ID, ROUTE
from whatsself_otel.context import CORRELATION_KEYS, EXPORTING, current_attributes, current_request
from whatsself_otel.export.limits import DEFAULT_LOG_LIMITS
from whatsself_otel.logs.fields import MAX_TEXT, clean_text, plain
from whatsself_otel.logs.format import format_json, format_pretty
from whatsself_otel.logs.levels import level_of
from whatsself_otel.logs.reading import exception_of, extras_of, is_event, message_of, unfold_event
from whatsself_otel.logs.record import RECORDS, LogEntry, MaskedLogRecord, QuickLogRecord, ReadyLogRecord, needs_no_cut
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

_RESERVED: Final = frozenset({"level", "ts", "msg", "logger", "traceId", "spanId", "err", "service", "environment"})
_MAX_EXTRAS: Final = 64
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
        limits: Limits of an exported record.
    """

    def __init__(
        self,
        masker: Masker,
        settings: LogSettings,
        provider: LoggerProvider | None,
        on_error: Callable[[str], None] = lambda _component: None,
        limits: LogRecordLimits = DEFAULT_LOG_LIMITS,
    ) -> None:
        super().__init__()
        self.passing = _Passing()
        self.masker = masker
        self._settings = settings
        self.provider = provider
        self._on_error = on_error
        self._loggers: Remembered[str, Any] = Remembered(_MAX_LOGGERS)
        self._limits = limits
        self._is_quick = RECORDS.works
        self._clean_texts: Remembered[str, None] = Remembered(_MAX_REMEMBERED)
        self._clean_fields: Remembered[tuple[str, str], None] = Remembered(_MAX_REMEMBERED)
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
                self._handle(record, export=False, write=write)
        elif self.passing.busy:  # a masking rule or a repr that logs would recurse without end
            self._on_error("logs")
        else:
            self.passing.busy = True
            try:
                self._handle(record, export=not otel_context.get_current().get(EXPORTING), write=write)
            finally:
                self.passing.busy = False

    def _handle(self, record: logging.LogRecord, *, export: bool, write: bool) -> None:
        try:
            entry = self._entry(record)
        except Exception:  # noqa: BLE001 - a hostile record must not reach the caller
            self._on_error("logs")
            entry = self._unreadable(record)
        if write:
            self._write(entry)
        if export and self.provider is not None:
            self._export(entry)

    def _entry(self, record: logging.LogRecord) -> LogEntry:
        level, severity = level_of(record.levelno)
        context = otel_context.get_current()
        if type(record.msg) is not str and is_event(record.msg):
            record = unfold_event(record)
        if hide := content_of(record.name):
            record = hide(record, self.masker)
        extra = self._extra(record)
        given: dict[str, Any] = {key: extra.pop(key) for key in _ID_KEYS if key in extra} if extra else {}
        return LogEntry(
            timestamp_ns=int(record.created * 1_000_000_000),
            level=level,
            severity=severity,
            message=self._text(message_of(record)),
            logger=self._text(record.name),
            ids=self._ids(record.name, context, given),
            extra=extra,
            error=self._error(record),
            span_context=span_of_ours(context).get_span_context(),
        )

    def _ids(self, logger: str, context: Context, given: Mapping[str, Any]) -> dict[str, str]:
        request = current_request(context)
        late = request.late_attributes if request is not None and logger in _ACCESS_LOGGERS else {}
        bound: dict[str, Any] = {**late, **current_attributes(context), **given}
        if request is not None and request.route and ROUTE not in bound:
            bound[ROUTE] = request.route
        ordered: dict[str, str] = {}
        for key in _ID_KEYS:
            if key in bound:
                ordered[key] = clean_text(self.masker.identifier(str(bound[key])))
        return ordered

    def _extra(self, record: logging.LogRecord) -> dict[str, Any]:
        found = extras_of(record)
        if not found:
            return found
        if isinstance(found.get("extra"), dict):  # loguru puts bound fields there
            found |= found.pop("extra")
        kept = found.items() if len(found) <= _MAX_EXTRAS else list(found.items())[:_MAX_EXTRAS]
        named = {f"extra_{key}" if key in _RESERVED else key: value for key, value in kept}
        if all(type(value) is str and (key, value) in self._clean_fields for key, value in named.items()):
            return named
        extra = {key: plain(value) for key, value in self.masker.attributes(named).items()}
        for key, value in named.items():
            if type(value) is str and extra.get(key) == value and len(value) <= _MAX_REMEMBERED_CHARS:
                self._clean_fields.keep((key, value), None)
        extra.update({key: named[key] for key in _ID_KEYS if key in named})
        return extra

    def _error(self, record: logging.LogRecord) -> dict[str, str] | None:
        if not record.exc_info and not record.exc_text:
            return None
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
            logger = self._loggers.get(entry.logger) or self._logger(entry.logger)
            if not self._is_quick or type(logger) is not Logger:
                logger.emit(MaskedLogRecord(entry))
                return
            record = QuickLogRecord(entry)
            is_whole = needs_no_cut(record, self._limits)
            ready: Any = ReadyLogRecord(record, logger, self._limits) if is_whole else record
            logger.emit(ready)
        except Exception:  # noqa: BLE001 - telemetry must not stop the application
            self._on_error("logs")

    def _logger(self, name: str) -> Any:
        """Return the provider's logger *name* from a cache; asking the provider takes a lock each time."""
        assert self.provider is not None  # noqa: S101 - its only caller has looked
        return self._loggers.keep(name, self.provider.get_logger(name))
