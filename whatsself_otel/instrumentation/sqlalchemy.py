"""
SQLAlchemy through contrib's engine tracer: one span a statement, for sync and async engines of any number.

The contrib instrumentor refuses SQLAlchemy 2.1 with one log line and no spans, ignores every engine but the first, and
wraps async engines twice (opentelemetry-python-contrib#2149, #3977). Its tracer of one engine has none of these
faults, so that is what is used.
"""

from __future__ import annotations

import logging
import re
import weakref
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.metrics import NoOpMeter

from whatsself_otel.instrumentation.conventions import use_stable_conventions

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider

_logger = logging.getLogger(__name__)

OLDEST: Final = (2, 0)
NEWEST: Final = (2, 1)
"""Minor versions this package is tested with."""

_ENGINES: Final[weakref.WeakSet[Any]] = weakref.WeakSet()
"""Engines that have a tracer: SQLAlchemy keeps no list that could be asked, and a second tracer doubles every span."""


def instrument_engine(engine: Any, tracer_provider: TracerProvider) -> bool:
    """
    Trace the statements of one engine; return False if it already is traced.

    Args:
        engine: A SQLAlchemy ``Engine`` or ``AsyncEngine``.
        tracer_provider: Where the spans come from.
    """
    sync_engine = getattr(engine, "sync_engine", engine)
    if sync_engine in _ENGINES:
        return False
    use_stable_conventions()
    from whatsself_otel.instrumentation.statements import StatementTracer

    tracer = tracer_provider.get_tracer("opentelemetry.instrumentation.sqlalchemy", _contrib_version())
    unused = NoOpMeter("unused").create_up_down_counter("unused")
    StatementTracer(tracer, sync_engine, unused)  # type: ignore[no-untyped-call]
    _ENGINES.add(sync_engine)
    return True


def uninstrument_engine(engine: Any) -> None:
    """Undo `instrument_engine`: contrib can only drop the listeners of all engines at once, so ours are picked out."""
    from opentelemetry.instrumentation.sqlalchemy.engine import EngineTracer
    from sqlalchemy import event

    sync_engine = getattr(engine, "sync_engine", engine)
    listeners = EngineTracer._remove_event_listener_params  # noqa: SLF001
    for entry in [entry for entry in listeners if entry[0]() is sync_engine]:
        event.remove(sync_engine, entry[1], entry[2])
        listeners.remove(entry)
    _ENGINES.discard(sync_engine)


def version_problem() -> str | None:
    """Return what is wrong with the installed SQLAlchemy, or None if it is one that is tested."""
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


def _contrib_version() -> str:
    return version("opentelemetry-instrumentation-sqlalchemy")
