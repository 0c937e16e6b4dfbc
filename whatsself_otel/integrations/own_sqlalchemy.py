"""
SQLAlchemy by wrapping the dialect's own calls. It records the same as contrib's tracer, with less work each time.

An engine's attributes are read once, and a statement is parsed once; contrib parses both at every execution. Contrib's
own functions make the attributes, so they are equal. No event is listened to: with one listener, SQLAlchemy would join
an engine's listeners again for each connection.
"""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context as otel_context
from opentelemetry.semconv.attributes.db_attributes import (
    DB_NAMESPACE,
    DB_OPERATION_NAME,
    DB_QUERY_TEXT,
    DB_SYSTEM_NAME,
)
from opentelemetry.semconv.attributes.error_attributes import ERROR_TYPE
from opentelemetry.semconv.attributes.server_attributes import SERVER_ADDRESS, SERVER_PORT
from opentelemetry.trace import SpanKind

from whatsself_otel import _sdk
from whatsself_otel.integrations.sql_names import operation_of, span_name
from whatsself_otel.messages import OwnLogger
from whatsself_otel.remembered import Remembered
from whatsself_otel.traces.failures import error_type, set_failed, text_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.trace import Span

    from whatsself_otel.traces.spans import SpanMaker

_logger = OwnLogger(__name__)
_MAX_STATEMENTS: Final = 1024
_MAX_STATEMENT_CHARS: Final = 4096
"""Statements in the cache, and their greatest length: at most 4 MB an engine."""
_WAYS: Final = ("do_execute", "do_executemany", "do_execute_no_params")
"""A dialect's methods that give a statement to its driver; all statements of an application use one."""
_INITIALIZING: Final = otel_context.create_key("whatsself-initializing")
_SUPPRESSED_PLAIN: Final = "suppress_instrumentation"
"""The key that older contrib packages set to suppress spans."""


class StatementSpans:
    """
    Makes one span for each statement of one engine.

    Args:
        engine: A SQLAlchemy ``Engine``, not an async one.
        spans: Starts them.
    """

    def __init__(self, engine: Any, spans: SpanMaker) -> None:
        self._spans = spans
        self._silencing = (_SUPPRESSED_PLAIN, _INITIALIZING, *_sdk.suppression_keys())
        self._system = system_of(engine.name)
        self._attributes = _engine_attributes(engine.url, self._system)
        self._statements: Remembered[str, tuple[str, dict[str, Any]]] = Remembered(_MAX_STATEMENTS)
        self._is_removed = False
        self._shadowed: dict[str, tuple[Any, Any]] = {}
        """Each wrapper that we put on the dialect, with the attribute that it replaced, if any."""
        for name in _WAYS:
            self._shadow(engine.dialect, name, self._traced)
        self._shadow(engine.dialect, "initialize", _unseen)

    def remove(self, engine: Any) -> None:
        """Make no more spans, and remove our wrappers that no other code has wrapped since."""
        self._is_removed = True
        for name, (ours, before) in self._shadowed.items():
            if vars(engine.dialect).get(name) is ours:
                delattr(engine.dialect, name)
                if before is not None:
                    setattr(engine.dialect, name, before)

    def _shadow(self, dialect: Any, name: str, wrap: Callable[[Any], Any]) -> None:
        ours = wrap(getattr(dialect, name))
        self._shadowed[name] = ours, vars(dialect).get(name)
        setattr(dialect, name, ours)

    def _traced(self, execute: Callable[..., None]) -> Callable[..., None]:
        def traced(cursor: Any, statement: str, *rest: Any, **keywords: Any) -> None:
            span = self._start(statement)
            if span is None:
                execute(cursor, statement, *rest, **keywords)
                return
            try:
                execute(cursor, statement, *rest, **keywords)
            except BaseException as error:
                _end(span, error)
                raise
            _end(span)

        return traced

    def _start(self, statement: str) -> Any:
        """Return a span, or None if spans are suppressed."""
        current = otel_context.get_current()
        if self._is_removed or any(map(current.get, self._silencing)):
            return None
        try:
            name, attributes = self._statements.get(statement) or self._read(statement)
            return self._spans.start(name, current, SpanKind.CLIENT, attributes)
        except Exception:  # noqa: BLE001 - a statement that telemetry cannot read is executed all the same
            _logger.debug("a statement could not be read; it has no span")
            return None

    def _read(self, statement: str) -> tuple[str, dict[str, Any]]:
        attributes = {
            **self._attributes,
            DB_SYSTEM_NAME: self._system,
            DB_OPERATION_NAME: operation_of(statement),
        }
        if statement:
            attributes[DB_QUERY_TEXT] = statement
        read = span_name(statement) or self._system, attributes
        if len(statement) <= _MAX_STATEMENT_CHARS:
            self._statements.keep(statement, read)
        return read


def _end(span: Span, error: BaseException | None = None) -> None:
    try:
        if error is not None:
            span.set_attribute(ERROR_TYPE, error_type(error))
            set_failed(span, error, text_of(error))
        span.end()
    except Exception:  # noqa: BLE001 - a statement is the application's, whatever its span does
        _logger.debug("a statement's span could not be ended")


def _unseen(initialize: Callable[[Any], None]) -> Callable[[Any], None]:
    """Hide a dialect's questions at its first connection: they raise no events, so contrib misses them too."""

    def initialize_unseen(connection: Any) -> None:
        token = otel_context.attach(otel_context.set_value(_INITIALIZING, True))
        try:
            initialize(connection)
        finally:
            otel_context.detach(token)

    return initialize_unseen


def knows(engine: Any) -> bool:
    """Return whether everything about *engine* can be read from its URL; else contrib asks each connection."""
    return bool(engine.url.host) or system_of(engine.name) != "postgresql"


def system_of(vendor: str | None) -> str:
    """Return the conventions' name for *vendor*."""
    if not vendor:
        return "db"
    if "sqlite" in vendor:
        return "sqlite"
    return "postgresql" if "postgres" in vendor or vendor == "psycopg2" else vendor


def _engine_attributes(url: Any, system: str) -> dict[str, Any]:
    database = PurePath(url.database).name if system == "sqlite" and url.database else url.database
    found = {SERVER_ADDRESS: url.host, SERVER_PORT: url.port, DB_NAMESPACE: database}
    return {name: value for name, value in found.items() if value}
