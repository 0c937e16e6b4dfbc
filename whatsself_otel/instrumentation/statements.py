"""Contrib's tracer of one engine, with names that group: imported only when an engine is instrumented."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from opentelemetry.instrumentation.sqlalchemy.engine import EngineTracer
from opentelemetry.semconv.attributes.db_attributes import DB_NAMESPACE, DB_OPERATION_NAME

from whatsself_otel.instrumentation.sql_names import operation_of, span_name

if TYPE_CHECKING:
    from opentelemetry.trace import Span


class StatementTracer(EngineTracer):
    """
    Names a span ``SELECT contacts``, and its operation ``SELECT``.

    Contrib names both ``select <database>``, which for SQLite is a path of the machine, and calls a statement with a
    comment of several lines ``/*`` (opentelemetry-python-contrib#4943).
    """

    def _operation_name(self, _db_name: str | None, statement: Any) -> str:
        return span_name(statement) or str(self.vendor)

    def _set_db_client_span_attributes(self, span: Span, statement: Any, db_name: str | None, attrs: Any) -> None:
        super()._set_db_client_span_attributes(span, statement, db_name, attrs)
        span.set_attribute(DB_OPERATION_NAME, operation_of(statement))
        if self.vendor == "sqlite" and db_name:
            span.set_attribute(DB_NAMESPACE, PurePath(db_name).name)
