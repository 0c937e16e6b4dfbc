"""
Log records in Pino's shape: one masked JSON object a line on stdout, and the same record over OTLP.

Both come from one masked `LogEntry`, so there is one place to look when asking what may leave.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import logging
import math
import re
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TextIO

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.context import Context
from opentelemetry.sdk._logs import Logger, LogRecordLimits, ReadWriteLogRecord

from whatsself_otel import _sdk
from whatsself_otel.catalogue import EVENT, REQUEST_ID, ROUTE
from whatsself_otel.context import CORRELATION_KEYS, EXPORTING, current_attributes, current_request
from whatsself_otel.current_span import span_of_ours
from whatsself_otel.forks import hold_while_forking
from whatsself_otel.remembered import Remembered

if TYPE_CHECKING:
    from opentelemetry._logs import LoggerProvider

    from whatsself_otel.masking import Masker

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

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message", "taskName"}
"""What every record carries; the rest came in by ``extra``."""

_ID_KEYS: Final = (REQUEST_ID, ROUTE, *CORRELATION_KEYS[1:])
"""The ids of a line, in the order in which they are shown."""

_RESERVED: Final = frozenset({"level", "ts", "msg", "logger", "traceId", "spanId", "err", "service", "environment"})
_MAX_EXTRAS: Final = 64
_MAX_LOGGERS: Final = 1024
_MAX_REMEMBERED: Final = 2048
_MAX_REMEMBERED_CHARS: Final = 256
"""Texts and fields remembered as clean, and how long one may be: at most 2 MB."""
_MAX_TEXT: Final = 32_768
_UNCAUGHT: Final = "uncaught"
_QUIET: Final = ("opentelemetry", "urllib3", "requests", "grpc", "whatsself_otel")
"""Loggers of the export path: shown on stdout from WARNING up, never exported, or they would feed themselves."""

_ADOPTED: Final = ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi", "gunicorn.error", "gunicorn.access")
"""Servers' loggers that keep their records, and phones in URLs, from the root logger."""

_ECHOING: Final = ("sqlalchemy.engine.Engine",)
"""Loggers that get a console handler of their own later, unless they have any handler already."""

_ACCESS_LOGGERS: Final = ("uvicorn.access", "gunicorn.access", "hypercorn.access")
"""Their line is about the whole request, and so carries the ids that its server span carries."""

_SURROGATES: Final = re.compile("[\ud800-\udfff]")
_CONTROLS: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_COLOURS: Final = {"fatal": "35", "error": "31", "warn": "33", "info": "32", "debug": "36", "trace": "90"}


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    """
    How records look on stdout.

    Args:
        pretty: Coloured text for a person instead of JSON.
        service: Name of the service, in each line.
        environment: Where it runs, in each line.
        stream: Where lines go; default: what ``sys.stdout`` is at that moment; ``None`` with `silent`.
        silent: Write no lines, only export.
    """

    pretty: bool = False
    service: str = "whatsself"
    environment: str = "development"
    stream: TextIO | None = None
    silent: bool = False


@dataclass(slots=True, kw_only=True)  # not frozen, which takes a call for each field
class LogEntry:
    """One record, masked: the only thing that is written or exported."""

    timestamp_ns: int
    level: str
    severity: SeverityNumber
    message: str
    logger: str
    ids: Mapping[str, str]
    extra: Mapping[str, Any]
    error: Mapping[str, str] | None
    span_context: trace.SpanContext

    def as_dict(self, settings: LogSettings) -> dict[str, Any]:
        """Return the JSON object of the line, in the order in which a person reads it."""
        line: dict[str, Any] = {
            "level": self.level,
            "ts": _iso(self.timestamp_ns),
            "msg": self.message,
            "logger": self.logger,
            **self.ids,
        }
        if self.span_context.is_valid:
            line["traceId"] = trace.format_trace_id(self.span_context.trace_id)
            line["spanId"] = trace.format_span_id(self.span_context.span_id)
        line |= {"service": settings.service, "environment": settings.environment, **self.extra}
        if self.error:
            line["err"] = self.error
        return line

    def attributes(self) -> dict[str, Any]:
        """Return the attributes of the exported record."""
        attributes: dict[str, Any] = {**self.ids, **self.extra}
        if self.error:
            attributes["exception.type"] = self.error["type"]
            attributes["exception.message"] = self.error["message"]
            attributes["exception.stacktrace"] = self.error["stack"]
        return attributes


class MaskedLogRecord(LogRecord):
    """
    An OpenTelemetry log record whose contents are masked already.

    Args:
        entry: Where they come from.
    """

    def __init__(self, entry: LogEntry) -> None:
        event = entry.extra.get(EVENT)
        super().__init__(
            timestamp=entry.timestamp_ns,
            context=trace.set_span_in_context(trace.NonRecordingSpan(entry.span_context), Context()),
            severity_text=entry.level,
            severity_number=entry.severity,
            body=entry.message,
            attributes=entry.attributes(),
            event_name=event if isinstance(event, str) else None,
        )


class QuickLogRecord(MaskedLogRecord):
    """The same without what LogRecord's own ``__init__`` looks up, and the entry knows already."""

    def __init__(self, entry: LogEntry) -> None:
        event = entry.extra.get(EVENT)
        self.timestamp = entry.timestamp_ns
        self.observed_timestamp = time.time_ns()
        self.context = None  # type: ignore[assignment]  # what the exporter empties anyway
        self.trace_id = entry.span_context.trace_id
        self.span_id = entry.span_context.span_id
        self.trace_flags = entry.span_context.trace_flags
        self.severity_text = entry.level
        self.severity_number = entry.severity
        self.body = entry.message
        self.attributes = entry.attributes()
        self.event_name = event if isinstance(event, str) else None
        self.exception = None


class ReadyLogRecord(ReadWriteLogRecord):
    """
    What the SDK's processors are given, with attributes that are clean: they are not copied and validated again.

    Args:
        record: What was logged.
        logger: Who emits it.
        limits: What they may hold.
    """

    def __init__(self, record: LogRecord, logger: Logger, limits: LogRecordLimits) -> None:
        self.log_record = record
        self.resource = logger.resource
        self.instrumentation_scope = logger.instrumentation_scope
        self.limits = limits


def _needs_no_cut(record: LogRecord, limits: Any) -> bool:
    """Return whether the limits that ``OTEL_*`` variables set would leave *record* as it is."""
    most = limits.max_log_record_attributes
    return limits.max_log_record_attribute_length is None and (most is None or len(record.attributes or ()) <= most)


class TelemetryHandler(logging.Handler):
    """
    Writes each record as a masked line and exports it.

    Never raises and never blocks on the network. A field that cannot be rendered costs that field, not the record.

    Args:
        masker: What hides personal data.
        settings: How lines look.
        provider: Where records are exported; None: nowhere.
        on_error: Told when a record could not be handled as it should.
        limits: What an exported record may hold; default: what the SDK's variables say.
    """

    def __init__(
        self,
        masker: Masker,
        settings: LogSettings,
        provider: LoggerProvider | None,
        on_error: Callable[[str], None] = lambda _component: None,
        limits: LogRecordLimits | None = None,
    ) -> None:
        super().__init__()
        self._masker = masker
        self._settings = settings
        self._provider = provider
        self._on_error = on_error
        self._loggers: Remembered[str, Any] = Remembered(_MAX_LOGGERS)
        self._limits = limits or LogRecordLimits()
        self._is_quick = _sdk.RECORDS.works
        self._clean_texts: Remembered[str, None] = Remembered(_MAX_REMEMBERED)
        self._clean_fields: Remembered[tuple[str, str], None] = Remembered(_MAX_REMEMBERED)
        self._handling = threading.local()
        self._writing = threading.RLock()  # a signal handler may log in the middle of a line
        hold_while_forking(self._writing)

    def emit(self, record: logging.LogRecord) -> None:
        """Handle *record*."""
        quiet = record.name.partition(".")[0] in _QUIET
        if quiet:
            if record.levelno >= logging.WARNING:
                self._handle(record, export=False)
        elif getattr(self._handling, "busy", False):  # a masking rule or a repr that logs would go round for ever
            self._on_error("logs")
        else:
            self._handling.busy = True
            try:
                self._handle(record, export=not otel_context.get_current().get(EXPORTING))
            finally:
                self._handling.busy = False

    def _handle(self, record: logging.LogRecord, *, export: bool) -> None:
        try:
            entry = self._entry(record)
        except Exception:  # noqa: BLE001 - a hostile record must not reach the caller
            self._on_error("logs")
            entry = self._unreadable(record)
        self._write(entry)
        if export and self._provider is not None:
            self._export(entry)

    def _entry(self, record: logging.LogRecord) -> LogEntry:
        level, severity = _level(record.levelno)
        context = otel_context.get_current()
        extra = self._extra(record)
        given: dict[str, Any] = {key: extra.pop(key) for key in _ID_KEYS if key in extra} if extra else {}
        return LogEntry(
            timestamp_ns=int(record.created * 1_000_000_000),
            level=level,
            severity=severity,
            message=self._text(_render(record)),
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
                ordered[key] = clean_text(self._masker.identifier(str(bound[key])))
        return ordered

    def _extra(self, record: logging.LogRecord) -> dict[str, Any]:
        found = {key: value for key, value in vars(record).items() if key not in _STANDARD}
        if not found:
            return found
        if isinstance(found.get("extra"), dict):  # where loguru puts what was bound
            found |= found.pop("extra")
        kept = found.items() if len(found) <= _MAX_EXTRAS else list(found.items())[:_MAX_EXTRAS]
        named = {f"extra_{key}" if key in _RESERVED else key: value for key, value in kept}
        if all(type(value) is str and (key, value) in self._clean_fields for key, value in named.items()):
            return named
        extra = {key: plain(value) for key, value in self._masker.attributes(named).items()}
        for key, value in named.items():
            if type(value) is str and extra.get(key) == value and len(value) <= _MAX_REMEMBERED_CHARS:
                self._clean_fields.keep((key, value), None)
        extra.update({key: named[key] for key in _ID_KEYS if key in named})
        return extra

    def _error(self, record: logging.LogRecord) -> dict[str, str] | None:
        if not record.exc_info or record.exc_info[0] is None:
            return None
        kind, error, _ = record.exc_info
        stack = "".join(traceback.format_exception(*record.exc_info))
        return {
            "type": f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins."),
            "message": self._text(_safe_str(error)),
            "stack": self._text(stack),
        }

    def _text(self, text: str) -> str:
        """Return *text* masked; one that was read and is clean is remembered, for most lines say what others said."""
        if text in self._clean_texts:
            return text
        masked = clean_text(self._masker.text(text))[:_MAX_TEXT]
        if masked == text and len(text) <= _MAX_REMEMBERED_CHARS:
            self._clean_texts.keep(text, None)
        return masked

    def _unreadable(self, record: logging.LogRecord) -> LogEntry:
        level, severity = _level(record.levelno)
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
        if silent and entry.logger != _UNCAUGHT:
            return
        # What ends a process is shown even where lines are not: its traceback would be nowhere else.
        stream = self._settings.stream or (sys.stderr if silent else sys.stdout)
        try:
            line = format_pretty(entry) if self._settings.pretty else format_json(entry, self._settings)
            with self._writing:
                stream.write(line + "\n")
                stream.flush()
        except Exception:  # noqa: BLE001 - a closed stdout must not stop the application
            self._on_error("logs")

    def _export(self, entry: LogEntry) -> None:
        try:
            logger = self._loggers.get(entry.logger) or self._logger(entry.logger)
            if not self._is_quick or type(logger) is not Logger:
                logger.emit(MaskedLogRecord(entry))
                return
            record = QuickLogRecord(entry)
            is_whole = _needs_no_cut(record, self._limits)
            ready: Any = ReadyLogRecord(record, logger, self._limits) if is_whole else record
            logger.emit(ready)
        except Exception:  # noqa: BLE001 - telemetry must not stop the application
            self._on_error("logs")

    def _logger(self, name: str) -> Any:
        """Return the provider's logger *name*; asking the provider takes a lock each time."""
        assert self._provider is not None  # noqa: S101 - its only caller has looked
        return self._loggers.keep(name, self._provider.get_logger(name))


def format_json(entry: LogEntry, settings: LogSettings) -> str:
    """Return *entry* as one line of JSON; every control character is escaped."""
    return _TO_JSON(entry.as_dict(settings))


def format_pretty(entry: LogEntry) -> str:
    """Return *entry* as coloured text for a terminal; escape sequences of the record itself are made inert."""
    colour = _COLOURS.get(entry.level, "0")
    fields = {**entry.ids, **entry.extra}
    rest = " ".join(f"{_inert(key)}={_inert(_safe_str(value))}" for key, value in fields.items())
    moment = _iso(entry.timestamp_ns)[11:23]
    line = f"\x1b[90m{moment}\x1b[0m \x1b[{colour}m{entry.level.upper():5}\x1b[0m {_inert(entry.message)}"
    stack = "\n" + "\n".join(map(_inert, entry.error["stack"].splitlines())) if entry.error else ""
    return f"{line} \x1b[90m{rest}\x1b[0m{stack}" if rest else line + stack


def clean_text(text: str) -> str:
    """Return *text* with half characters (lone surrogates) replaced: one of them would cost the whole batch."""
    return _SURROGATES.sub("\ufffd", text) if not text.isascii() else text


def plain(value: object, depth: int = 6) -> Any:
    """Return *value* in the types that JSON and OTLP have; what they lack becomes its text."""
    if type(value) is str:
        return clean_text(value)[:_MAX_TEXT]
    if depth and isinstance(value, Mapping):
        return {clean_text(_safe_str(key)): plain(item, depth - 1) for key, item in value.items()}
    if depth and isinstance(value, list | tuple | set | frozenset):
        return [plain(item, depth - 1) for item in value]
    if value is None or isinstance(value, bool) or (isinstance(value, int) and -(2**63) <= value < 2**63):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    return clean_text(_safe_str(value))[:_MAX_TEXT]


@functools.lru_cache(maxsize=256)
def _level(number: int) -> tuple[str, SeverityNumber]:
    return next(((name, severity) for least, name, severity in _LEVELS if number >= least), _LEVELS[-1][1:])


def _render(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - a bad format string is shown as it is, with what was to fill it
        arguments = record.args if isinstance(record.args, tuple) else (record.args,)
        return " ".join([_safe_str(record.msg), *(_safe_str(argument) for argument in arguments)])


def _safe_str(value: object) -> str:
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - an object may forbid to be shown
        return f"[unprintable {type(value).__name__}]"


_TO_JSON: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_safe_str).encode


def _inert(text: str) -> str:
    return _CONTROLS.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


def _iso(timestamp_ns: int) -> str:
    seconds, nanoseconds = divmod(timestamp_ns, 1_000_000_000)
    return f"{_second(seconds)}.{nanoseconds // 1_000_000:03d}Z"


@functools.lru_cache(maxsize=4)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


@dataclass(slots=True)
class LoggingInstallation:
    """
    Our handler in the process's logging, and how to take it out again.

    Console handlers of the root logger and of the servers are set aside while it is in: they would write the same
    records a second time, unmasked.
    """

    handler: TelemetryHandler
    level: int
    _root: _LoggerState | None = None
    _adopted: list[_LoggerState] = field(default_factory=list)
    _hooks: tuple[Any, Any] | None = None

    def install(self) -> None:
        """Put the handler on the root logger, adopt the servers' loggers, warnings and uncaught exceptions."""
        root = logging.getLogger()
        logging.addLevelName(TRACE_LEVEL, "TRACE")
        self._root = _LoggerState.of(root)
        root.handlers = [handler for handler in root.handlers if not _is_console(handler)] + [self.handler]
        root.setLevel(self.level)
        self.adopt()
        logging.captureWarnings(capture=True)
        self._hooks = (sys.excepthook, threading.excepthook)
        sys.excepthook = _log_uncaught
        threading.excepthook = _log_uncaught_in_thread

    def adopt(self) -> None:
        """
        Bring the servers' loggers, and every other that writes to the console by itself, to the root's handler.

        SQLAlchemy gives an engine made with ``echo=True`` such a handler, if its logger has none at all.
        """
        for name in (*_ADOPTED, *_ECHOING, *list(logging.root.manager.loggerDict)):
            logger = logging.getLogger(name)
            known = any(state.logger is logger for state in self._adopted)
            if name in _ECHOING and not logger.handlers:
                self._remember(logger)
                logger.addHandler(logging.NullHandler())
            elif any(map(_is_console, logger.handlers)) or (name in _ADOPTED and not known):
                self._remember(logger)
                logger.handlers = [handler for handler in logger.handlers if not _is_console(handler)]
                logger.propagate = True

    def _remember(self, logger: logging.Logger) -> None:
        if not any(state.logger is logger for state in self._adopted):
            self._adopted.append(_LoggerState.of(logger))

    def uninstall(self) -> None:
        """Put everything back as it was found."""
        if self._root is None or self._hooks is None:
            return
        if sys.excepthook is _log_uncaught:
            sys.excepthook = self._hooks[0]
        if threading.excepthook is _log_uncaught_in_thread:
            threading.excepthook = self._hooks[1]
        logging.captureWarnings(capture=False)
        for state in (*self._adopted, self._root):
            state.restore(self.handler)
        self._root, self._adopted = None, []


@dataclass(frozen=True, slots=True)
class _LoggerState:
    logger: logging.Logger
    handlers: tuple[logging.Handler, ...]
    level: int
    propagate: bool

    @classmethod
    def of(cls, logger: logging.Logger) -> _LoggerState:
        return cls(logger, tuple(logger.handlers), logger.level, logger.propagate)

    def restore(self, ours: logging.Handler) -> None:
        added = [
            handler
            for handler in self.logger.handlers
            if handler not in self.handlers and handler is not ours and not isinstance(handler, logging.NullHandler)
        ]
        self.logger.handlers = [*self.handlers, *added]
        self.logger.setLevel(self.level)
        self.logger.propagate = self.propagate


def _is_console(handler: logging.Handler) -> bool:
    if type(handler) is not logging.StreamHandler:
        return False
    named = getattr(handler.stream, "name", "") in {"<stdout>", "<stderr>"}
    return named or handler.stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__)


def _log_uncaught(kind: type[BaseException], error: BaseException, stack: Any) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, stack)
        return
    logging.getLogger(_UNCAUGHT).critical("uncaught exception", exc_info=(kind, error, stack))


def _log_uncaught_in_thread(arguments: threading.ExceptHookArgs) -> None:
    if issubclass(arguments.exc_type, SystemExit) or arguments.exc_value is None:
        return
    logging.getLogger(_UNCAUGHT).critical(
        "uncaught exception in a thread",
        exc_info=(arguments.exc_type, arguments.exc_value, arguments.exc_traceback),
    )


def make_settings(settings: LogSettings, log_format: str) -> LogSettings:
    """Return *settings* with ``auto`` decided: pretty on a terminal, JSON elsewhere."""
    stream = settings.stream or sys.stdout
    pretty = log_format == "pretty" or (log_format == "auto" and bool(getattr(stream, "isatty", lambda: False)()))
    return dataclasses.replace(settings, pretty=pretty)
