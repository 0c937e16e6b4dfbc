"""
SQLAlchemy through contrib's engine tracer: one span a statement, for sync and async engines of any number.

The contrib instrumentor has three faults. It refuses SQLAlchemy 2.1 with one log line and no spans. It ignores every
engine but the first. It wraps async engines twice (opentelemetry-python-contrib#2149, #3977). Its tracer of one engine
has none of them, so that is used.
"""

from __future__ import annotations

import functools
import re
import weakref
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.metrics import NoOpMeter

from whatsself_otel import _sdk
from whatsself_otel.catalogue import SCHEMA_URL
from whatsself_otel.traces.spans import SpanMaker

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer, TracerProvider


OLDEST: Final = (2, 0)
NEWEST: Final = (2, 1)
"""Minor versions this package is tested with."""

_ENGINES: Final[weakref.WeakKeyDictionary[Any, Any]] = weakref.WeakKeyDictionary()
"""Traced engines, each with its tracer. SQLAlchemy keeps no list, and a second tracer doubles every span."""


def root_of(engine: Any) -> Any:
    """
    Return the engine that owns the dialect and the pool of *engine*.

    An ``AsyncEngine`` wraps a sync engine, and ``execution_options()`` returns another handle on the same engine.

    Args:
        engine: A SQLAlchemy ``Engine`` or ``AsyncEngine``.
    """
    owner = getattr(engine, "sync_engine", engine)
    while (below := getattr(owner, "_proxied", None)) is not None:
        owner = below
    return owner


def instrument_engine(engine: Any, tracer_provider: TracerProvider, *, own: bool = False) -> bool:
    """
    Trace one engine's statements; return False if it is traced already, through any of its handles.

    Args:
        engine: A SQLAlchemy ``Engine`` or ``AsyncEngine``.
        tracer_provider: Where the spans come from.
        own: Around the dialect's calls instead of by contrib's listeners, where both record the same.
    """
    owner = root_of(engine)
    if owner in _ENGINES:
        return False
    spans = SpanMaker(tracer_provider, "opentelemetry.instrumentation.sqlalchemy", _contrib_version(), SCHEMA_URL)
    _ENGINES[owner] = _trace_own(owner, spans) if own else _trace_by_contrib(owner, spans.tracer)
    return True


def _trace_own(engine: Any, spans: SpanMaker) -> Any:
    from whatsself_otel.integrations import own_sqlalchemy

    return (
        own_sqlalchemy.StatementSpans(engine, spans)
        if own_sqlalchemy.knows(engine)
        else _trace_by_contrib(engine, spans.tracer)
    )


def _trace_by_contrib(engine: Any, tracer: Tracer) -> Any:
    _sdk.use_stable_conventions()
    from whatsself_otel.integrations.contrib_statements import StatementTracer

    unused = NoOpMeter("unused").create_up_down_counter("unused")
    StatementTracer(tracer, engine, unused)
    return None  # contrib keeps its own list of listeners


def uninstrument_engine(engine: Any) -> None:
    """Undo `instrument_engine`."""
    owner = root_of(engine)
    spans = _ENGINES.pop(owner, None)
    if spans is not None:
        spans.remove(owner)
    else:
        _sdk.forget_engine(owner)


def contrib_problems(engine: Any) -> list[str]:
    """Return the features that tracing *engine* loses with the installed contrib package."""
    if _ENGINES.get(root_of(engine)) is not None:
        return []
    return [problem for part in (_sdk.CONVENTIONS, _sdk.STATEMENTS) if (problem := part.problem())]


def version_problem() -> str | None:
    """Return a problem if the installed SQLAlchemy is not a tested version, else None."""
    try:
        installed = version("sqlalchemy")
    except PackageNotFoundError:
        return None
    parts = re.match(r"(\d+)\.(\d+)", installed)
    minor = (int(parts[1]), int(parts[2])) if parts else (0, 0)
    if OLDEST <= minor <= NEWEST:
        return None
    tested = " to ".join(".".join(map(str, bound)) for bound in (OLDEST, NEWEST))
    return (
        f"SQLAlchemy {installed} is not tested with whatsself_otel (tested: {tested}); "
        "database spans may be missing. Install a tested version or a newer whatsself_otel."
    )


@functools.cache
def _contrib_version() -> str:
    return version("opentelemetry-instrumentation-sqlalchemy")
