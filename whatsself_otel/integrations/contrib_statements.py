"""Contrib's tracer of one engine, with span names that group well. Imported only when an engine is instrumented."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from opentelemetry.semconv.attributes.db_attributes import DB_NAMESPACE, DB_OPERATION_NAME

from whatsself_otel import _sdk
from whatsself_otel.integrations.sql_names import operation_of, span_name

if TYPE_CHECKING:
    from opentelemetry.trace import Span


class StatementTracer(_sdk.engine_tracer()):  # type: ignore[misc]
    """
    Names a span ``SELECT contacts``, and its operation ``SELECT``.

    Contrib names both ``select <database>``, which for SQLite is a path of the machine, and calls a statement with a
    comment of several lines ``/*`` (opentelemetry-python-contrib#4943).
    """

    def name_of(self, statement: Any) -> str:
        """Return the name of the span of *statement*."""
        return span_name(statement) or str(self.vendor)

    def describe(self, span: Span, statement: Any, db_name: str | None) -> None:
        """Correct contrib's attributes on *span*."""
        span.set_attribute(DB_OPERATION_NAME, operation_of(statement))
        if self.vendor == "sqlite" and db_name:
            span.set_attribute(DB_NAMESPACE, PurePath(db_name).name)
