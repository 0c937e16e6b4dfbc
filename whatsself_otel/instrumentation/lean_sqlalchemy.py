"""
SQLAlchemy by three listeners of our own: what contrib's engine tracer records, without what it works out each time.

An engine's attributes are read once, a statement's name and attributes once a statement; contrib parses both at every
execution and counts connections that nobody reads. Its own functions give the attributes, so that they are the same.
"""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context as otel_context
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY
from opentelemetry.semconv.attributes.db_attributes import (
    DB_NAMESPACE,
    DB_OPERATION_NAME,
    DB_QUERY_TEXT,
    DB_SYSTEM_NAME,
)
from opentelemetry.semconv.attributes.server_attributes import SERVER_ADDRESS, SERVER_PORT
from opentelemetry.trace import SpanKind, Status, StatusCode
from sqlalchemy import event

from whatsself_otel.instrumentation.sql_names import operation_of, span_name
from whatsself_otel.spans import SpanMaker

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.trace import Tracer

_MAX_STATEMENTS: Final = 1024
_MAX_STATEMENT_CHARS: Final = 4096
"""Statements remembered, and how long one may be: at most 4 MB an engine."""
_SPAN: Final = "_whatsself_otel_span"
_SUPPRESSED_PLAIN: Final = "suppress_instrumentation"
"""The key by which contrib's packages of old suppress instrumentation."""


class StatementSpans:
    """
    Makes one span a statement of one engine.

    Args:
        engine: A SQLAlchemy ``Engine``, not an async one.
        tracer: Where the spans come from.
    """

    def __init__(self, engine: Any, tracer: Tracer) -> None:
        self._spans = SpanMaker(tracer)
        self._system = system_of(engine.name)
        self._attributes = _engine_attributes(engine.url, self._system)
        self._statements: dict[str, tuple[str, dict[str, Any]]] = {}
        self._listeners: tuple[tuple[str, Callable[..., None]], ...] = (
            ("before_cursor_execute", self._start),
            ("after_cursor_execute", self._end),
            ("handle_error", self._fail),
        )
        for name, listener in self._listeners:
            event.listen(engine, name, listener)

    def remove(self, engine: Any) -> None:
        """Stop listening to *engine*."""
        for name, listener in self._listeners:
            event.remove(engine, name, listener)

    def _start(
        self, _connection: Any, _cursor: Any, statement: str, _parameters: Any, context: Any, _many: Any
    ) -> None:
        current = otel_context.get_current()
        if current.get(_SUPPRESS_INSTRUMENTATION_KEY) or current.get(_SUPPRESSED_PLAIN):
            return
        name, attributes = self._statements.get(statement) or self._read(statement)
        setattr(context, _SPAN, self._spans.start(name, current, SpanKind.CLIENT, attributes))

    def _end(self, _connection: Any, _cursor: Any, _statement: Any, _parameters: Any, context: Any, _many: Any) -> None:
        if (span := getattr(context, _SPAN, None)) is not None:
            span.end()

    def _fail(self, failure: Any) -> None:
        span = getattr(failure.execution_context, _SPAN, None)
        if span is not None and span.is_recording():
            span.set_status(Status(StatusCode.ERROR, str(failure.original_exception)))
            span.end()

    def _read(self, statement: str) -> tuple[str, dict[str, Any]]:
        attributes = {
            **self._attributes,
            DB_SYSTEM_NAME: self._system,
            DB_OPERATION_NAME: operation_of(statement),
        }
        if statement:
            attributes[DB_QUERY_TEXT] = statement
        read = span_name(statement) or self._system, attributes
        if len(self._statements) >= _MAX_STATEMENTS:
            self._statements.clear()
        if len(statement) <= _MAX_STATEMENT_CHARS:
            self._statements[statement] = read
        return read


def knows(engine: Any) -> bool:
    """Return whether everything about *engine* can be read from its URL; else contrib asks each connection."""
    return bool(engine.url.host) or system_of(engine.name) != "postgresql"


def system_of(vendor: str | None) -> str:
    """Return the name that the conventions have for *vendor*."""
    if not vendor:
        return "db"
    if "sqlite" in vendor:
        return "sqlite"
    return "postgresql" if "postgres" in vendor or vendor == "psycopg2" else vendor


def _engine_attributes(url: Any, system: str) -> dict[str, Any]:
    database = PurePath(url.database).name if system == "sqlite" and url.database else url.database
    found = {SERVER_ADDRESS: url.host, SERVER_PORT: url.port, DB_NAMESPACE: database}
    return {name: value for name, value in found.items() if value}
