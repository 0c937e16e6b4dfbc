"""Contrib's tracer of one engine, with names that group: imported only when an engine is instrumented."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.instrumentation.sqlalchemy.engine import EngineTracer
from opentelemetry.semconv.attributes.db_attributes import DB_NAMESPACE, DB_OPERATION_NAME

if TYPE_CHECKING:
    from opentelemetry.trace import Span

_LEADING_COMMENT: Final = re.compile(r"\s*/\*.*?\*/", re.DOTALL)
_TARGET: Final = re.compile(
    r"\b(?:from|into|update|table(?: if not exists)?)\s+[\"`\[]?([a-z_][\w.]{0,62})", re.IGNORECASE
)
_MAX_SEARCHED: Final = 2_000


class StatementTracer(EngineTracer):
    """
    Names a span ``SELECT contacts``, and its operation ``SELECT``.

    Contrib names both ``select <database>``, which for SQLite is a path of the machine, and calls a statement with a
    comment of several lines ``/*`` (opentelemetry-python-contrib#4943).
    """

    def _operation_name(self, _db_name: str | None, statement: Any) -> str:
        operation = operation_of(statement)
        target = _TARGET.search(str(statement)[:_MAX_SEARCHED])
        return " ".join(filter(None, (operation, target[1] if target else ""))) or str(self.vendor)

    def _set_db_client_span_attributes(self, span: Span, statement: Any, db_name: str | None, attrs: Any) -> None:
        super()._set_db_client_span_attributes(span, statement, db_name, attrs)
        span.set_attribute(DB_OPERATION_NAME, operation_of(statement))
        if self.vendor == "sqlite" and db_name:
            span.set_attribute(DB_NAMESPACE, PurePath(db_name).name)


def operation_of(statement: object) -> str:
    """Return the first word of *statement* in capitals, comments skipped; empty if it has none."""
    words = _LEADING_COMMENT.sub("", str(statement)[:_MAX_SEARCHED]).split(maxsplit=1)
    return words[0].upper()[:32] if words else ""
