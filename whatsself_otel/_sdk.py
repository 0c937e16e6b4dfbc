"""
The only file that uses private names of OpenTelemetry. A rename there may cost a feature, never the telemetry.

Each `Part` lists its private names and checks itself once a process. If they behave differently, the public way is used
and `Part.problem` names the lost feature. tests/test_sdk_wall.py keeps such names out of every other file. It also runs
the package on copies of OpenTelemetry, each with one private name changed.

The logs packages (``opentelemetry._logs``) have an underscore, but are the documented way to logs and the only one.
"""
# ruff: noqa: SLF001 - that is what this file is for

from __future__ import annotations

import dataclasses
import functools
import importlib
import math
import os
import threading
from dataclasses import dataclass
from importlib.metadata import version
from time import time_ns
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from opentelemetry import _logs as logs_api
from opentelemetry import context as otel_context
from opentelemetry import metrics as metrics_api
from opentelemetry import trace as trace_api
from opentelemetry.metrics import Asynchronous, Observation
from opentelemetry.sdk.metrics import AlwaysOffExemplarFilter, MeterProvider
from opentelemetry.sdk.metrics.export import ConsoleMetricExporter, InMemoryMetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource

from whatsself_otel._environment import STANDARD_PREFIX, is_used
from whatsself_otel._imports import hidden
from whatsself_otel.catalogue import OVERFLOW

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from opentelemetry.context import Context
    from opentelemetry.sdk.metrics.export import MetricReader, MetricsData


@dataclass(frozen=True, slots=True)
class Part:
    """
    A feature for which OpenTelemetry has no public interface.

    Args:
        names: The private names it uses.
        check: Returns whether they still do what is expected of them; may raise.
        lost: What is lost without them, as a sentence.
        package: Whose names they are.
    """

    names: tuple[str, ...]
    check: Callable[[], bool]
    lost: str
    package: str = "opentelemetry-sdk"

    @property
    def works(self) -> bool:
        """Whether the private names can be used; worked out once a process."""
        try:
            return _check(self)
        except Exception:  # noqa: BLE001 - whatever a changed package raises
            return False

    def problem(self) -> str | None:
        """Return which feature is lost and the remedy, or None if the part works."""
        if self.works:
            return None
        return (
            f"{self.package} {version(self.package)} differs inside from what this whatsself_otel knows. {self.lost} "
            f"Install a newer whatsself_otel, or the {self.package} that it was tested with."
        )


@functools.cache
def _check(part: Part) -> bool:
    """Check *part* with the standard variables hidden: they are the application's. A success is cached."""
    with hidden(name for name in os.environ if name.startswith(STANDARD_PREFIX)):
        works = part.check()
    if not works:
        raise AssertionError
    return True


def problems(*parts: Part) -> list[str]:
    """Return a problem for each of *parts*, and each part of this file, that fails on the installed OpenTelemetry."""
    return [problem for part in (GLOBALS, *parts, SERIES, SUPPRESSION) if (problem := part.problem())]


def _find(module: str, name: str) -> Any:
    """Return the attribute *name* of *module*, or None if it does not exist."""
    try:
        return getattr(importlib.import_module(module), name, None)
    except ImportError:
        return None


# The three global providers: the API lets each be set once, so a second set-up would find the first one's.


class Globals(NamedTuple):
    """The three global providers of this process; None if one was never set."""

    tracer_provider: Any = None
    meter_provider: Any = None
    logger_provider: Any = None

    @classmethod
    def read(cls) -> Globals:
        """Return the providers that are set now."""
        if GLOBALS.works:
            return cls(*(getattr(module, name) for module, name, _ in _slots()))
        found = (trace_api.get_tracer_provider(), metrics_api.get_meter_provider(), logs_api.get_logger_provider())
        return cls(*(None if "Proxy" in type(provider).__name__ else provider for provider in found))

    def write(self) -> bool:
        """Set these providers over any earlier ones; return whether the process now uses all of them."""
        if GLOBALS.works:
            for (module, name, once), provider in zip(_slots(), self, strict=True):
                if getattr(module, name) is not provider:
                    setattr(module, once, _ONCE())
                    setattr(module, name, None)
        for provider, setter, now in zip(self, _SETTERS, Globals.read(), strict=True):
            if provider is not None and now is not provider:
                setter(provider)
        return all(now is wanted for now, wanted in zip(Globals.read(), self, strict=True))


_SETTERS: Final[tuple[Callable[[Any], None], ...]] = (
    trace_api.set_tracer_provider,
    metrics_api.set_meter_provider,
    logs_api.set_logger_provider,
)
_ONCE: Final = _find("opentelemetry.util._once", "Once")


def _slots() -> Iterable[tuple[Any, str, str]]:
    """Return where the API keeps each provider, and the name of the guard that allows only one set."""
    return (
        (trace_api, "_TRACER_PROVIDER", "_TRACER_PROVIDER_SET_ONCE"),
        (_find("opentelemetry.metrics", "_internal"), "_METER_PROVIDER", "_METER_PROVIDER_SET_ONCE"),
        (_find("opentelemetry._logs", "_internal"), "_LOGGER_PROVIDER", "_LOGGER_PROVIDER_SET_ONCE"),
    )


def _check_globals() -> bool:
    return all(hasattr(module, name) and type(getattr(module, once)) is _ONCE for module, name, once in _slots())


GLOBALS: Final = Part(
    names=(
        "_TRACER_PROVIDER",
        "_TRACER_PROVIDER_SET_ONCE",
        "_METER_PROVIDER",
        "_METER_PROVIDER_SET_ONCE",
        "_LOGGER_PROVIDER",
        "_LOGGER_PROVIDER_SET_ONCE",
        "_internal",
        "_once",
    ),
    check=_check_globals,
    lost=(
        "The process's providers can be set once only: after a second setup_telemetry(), code that asks OpenTelemetry "
        "for its tracer still gets the first one's."
    ),
    package="opentelemetry-api",
)


# What tells instrumentations to make no spans.


@functools.cache
def suppression_keys(kind: str = "") -> tuple[str, ...]:
    """
    Return the context keys that suppress instrumentation.

    Args:
        kind: ``http`` for those that concern HTTP alone.
    """
    if SUPPRESSION.works:
        return (_SUPPRESS_HTTP if kind else _SUPPRESS,)
    utils = importlib.import_module("opentelemetry.instrumentation.utils")
    outside = set(otel_context.get_current())
    with utils.suppress_http_instrumentation() if kind else utils.suppress_instrumentation():
        return tuple(set(otel_context.get_current()) - outside)


_SUPPRESS: Final = _find("opentelemetry.context", "_SUPPRESS_INSTRUMENTATION_KEY")
_SUPPRESS_HTTP: Final = _find("opentelemetry.context", "_SUPPRESS_HTTP_INSTRUMENTATION_KEY")
SUPPRESSION: Final = Part(
    names=("_SUPPRESS_INSTRUMENTATION_KEY", "_SUPPRESS_HTTP_INSTRUMENTATION_KEY"),
    check=lambda: isinstance(_SUPPRESS, str) and isinstance(_SUPPRESS_HTTP, str),
    lost="The start takes longer, because contrib's helpers are imported.",
    package="opentelemetry-api",
)


# What checks itself reads no variable: one that is wrong is none of the SDK's faults.
_NO_RESOURCE: Final = Resource({})


# Spans and records past the SDK: nothing private, but the switch of a tracer or logger, which only the SDK knows.

SWITCH: Final = ("_is_enabled",)


def switch_of(maker: Any) -> Callable[[], bool]:
    """Return a function that says whether the SDK's tracer or logger *maker* is switched on."""
    switch: Callable[[], bool] = maker._is_enabled
    return switch


# The series of a meter provider: a limit for each instrument, and a beginning at zero in a forked child.

_STORAGE: Final = _find("opentelemetry.sdk.metrics._internal.metric_reader_storage", "MetricReaderStorage")
_HASH: Final = _find("opentelemetry.sdk.metrics._internal._view_instrument_match", "_hash_attributes")
_OVERFLOW_ATTRIBUTES: Final = {OVERFLOW: True}


class _BoundedStorage(_STORAGE or object):  # type: ignore[misc]
    """One reader's series: bounded for synchronous instruments, without vanished series for observable ones."""

    def __init__(self, config: Any, reader: Any, limit: int, on_overflow: Callable[[str], None]) -> None:
        super().__init__(config, reader._instrument_class_temporality, reader._instrument_class_aggregation)
        self.limit = limit
        self.on_overflow = on_overflow

    def consume_measurement(self, measurement: Any, should_sample_exemplar: bool = True) -> None:  # noqa: FBT001, FBT002 - the SDK's signature
        """Aggregate the measurement. Beyond the limit, count it under the overflow attribute."""
        for match in self._get_or_init_view_instrument_match(measurement.instrument):
            bounded = measurement
            if len(match._attributes_aggregation) >= self.limit - 1 and _is_new(match, measurement):
                bounded = dataclasses.replace(measurement, attributes=_OVERFLOW_ATTRIBUTES)
                self.on_overflow(measurement.instrument.name)
            match.consume_measurement(bounded, should_sample_exemplar)

    def collect(self) -> MetricsData | None:
        """Collect, after forgetting the observed series that no callback reported this time."""
        with self._lock:
            for instrument, matches in self._instrument_view_instrument_matches.items():
                if isinstance(instrument, Asynchronous):
                    for match in matches:
                        _forget_unobserved(match)
        collected: MetricsData | None = super().collect()
        return collected


def _is_new(match: Any, measurement: Any) -> bool:
    return _key(match, measurement.attributes or {}) not in match._attributes_aggregation


def _key(match: Any, attributes: Mapping[str, Any]) -> Any:
    """Return the key of the series with *attributes*; a view may keep only some of them."""
    kept = match._view._attribute_keys
    return _HASH({name: value for name, value in attributes.items() if kept is None or name in kept})


def _forget_unobserved(match: Any) -> None:
    with match._lock:
        series = match._attributes_aggregation
        for key in [key for key, aggregation in series.items() if getattr(aggregation, "_value", 0) is None]:
            del series[key]


def bound_series(
    provider: Any, limit: int, on_overflow: Callable[[str], None], reader: MetricReader | None = None
) -> None:
    """
    Restart every series of *provider* empty, with a limit for each instrument.

    Args:
        provider: The SDK's.
        limit: Series an instrument may have, the overflow series included; >= 2.
        on_overflow: Called with the instrument's name for each measurement that lost its attributes.
        reader: Whose series alone; default: every reader's.
    """
    if SERIES.works:
        _bound_series(provider, limit, on_overflow, reader)


def _bound_series(
    provider: Any, limit: int, on_overflow: Callable[[str], None], reader: MetricReader | None = None
) -> None:
    consumer = provider._measurement_consumer
    made = {
        each: _BoundedStorage(provider._sdk_config, each, limit, on_overflow)
        for each in ([reader] if reader else consumer._reader_storages)
    }
    consumer._reader_storages = {**consumer._reader_storages, **made}


class FoundSeries:
    """
    A series of a counter or histogram, found once, so that measurements skip the lookup.

    Args:
        instrument: A synchronous instrument of the SDK.
        attributes: Clean text, numbers and truth values.
    """

    __slots__ = ("_aggregations", "_attributes", "_consumer", "_instrument", "_should_sample", "_storages")

    def __init__(self, instrument: Any, attributes: dict[str, Any]) -> None:
        self._instrument = instrument
        self._attributes = attributes
        self._consumer = instrument._measurement_consumer
        self._should_sample = self._consumer._sdk_config.exemplar_filter.should_sample
        self._storages: Any = None
        self._aggregations: list[Any] = []

    def find(self) -> None:
        """Look the series up after a measurement has made it. A series beyond the limit is not found."""
        storages = self._consumer._reader_storages
        if storages is self._storages:
            return
        matches = [
            match for each in storages.values() for match in each._get_or_init_view_instrument_match(self._instrument)
        ]
        found = [match._attributes_aggregation.get(_key(match, self._attributes)) for match in matches]
        self._aggregations = [each.aggregate for each in found] if all(found) else []
        self._storages = storages

    def record(self, value: float, context: Context | None) -> bool:
        """
        Record one measurement.

        Returns:
            Whether it was recorded: not if the SDK refuses such a value, nor while the series is not known, which is
            so at first, and after a reader came or a child was forked.
        """
        instrument, attributes = self._instrument, self._attributes
        is_known = self._aggregations and self._storages is self._consumer._reader_storages
        if not is_known or not 0 <= value < math.inf or not instrument._is_enabled():
            return False
        now_ns, around = time_ns(), context or otel_context.get_current()
        taken = _Measurement(value, now_ns, instrument, around, attributes)
        is_sampled = self._should_sample(value, now_ns, attributes, around)
        for aggregate in self._aggregations:
            aggregate(taken, is_sampled)
        return True


class _Measurement(NamedTuple):
    """The fields of a measurement that an aggregation reads. The SDK's own class cleans the attributes each time."""

    value: float
    time_unix_nano: int
    instrument: Any
    context: Context
    attributes: dict[str, Any]


def find_series(instrument: Any, attributes: dict[str, Any]) -> FoundSeries | None:
    """Return the series of *instrument* with *attributes*, or None if its place cannot be known."""
    if SERIES.works and hasattr(instrument, "_measurement_consumer"):
        return FoundSeries(instrument, attributes)
    return None


def renew_metric_locks(provider: Any) -> None:
    """Give a forked child new locks: threads of the parent may have held the old ones, and do not exist here."""
    if SERIES.works:
        _renew_metric_locks(provider)


def _renew_metric_locks(provider: Any) -> None:
    consumer = provider._measurement_consumer
    consumer._lock = threading.Lock()
    for reader in consumer._reader_storages:
        if hasattr(reader, "_export_lock"):
            reader._export_lock = threading.Lock()


def _check_series() -> bool:
    """Record more series than a limit allows, then again after a simulated fork."""
    reader, overflows, names = InMemoryMetricReader(), list[str](), ["first"]
    provider = MeterProvider([reader], _NO_RESOURCE, AlwaysOffExemplarFilter(), shutdown_on_exit=False)
    _bound_series(provider, 3, overflows.append)
    meter = provider.get_meter("check")
    counter = meter.create_counter("counted")
    meter.create_observable_gauge("observed", [lambda _: [Observation(1, {"name": names[-1]})]])

    def read() -> dict[str, list[tuple[Any, dict[str, Any]]]]:
        data: Any = reader.get_metrics_data()
        (scope,) = data.resource_metrics[0].scope_metrics
        points = {metric.name: metric.data.data_points for metric in scope.metrics}
        return {name: [(each.value, dict(each.attributes)) for each in held] for name, held in points.items()}

    for number in range(5):
        counter.add(1, {"number": number})
    known = [_found_series(counter, {"number": number}).record(1, None) for number in (1, 4)]
    counted = [(1, {"number": 0}), (2, {"number": 1}), (3, _OVERFLOW_ATTRIBUTES)]
    seen = [read()]
    names.append("second")
    seen.append(read())
    storage = provider._measurement_consumer._reader_storages[reader]
    kept = [len(match._attributes_aggregation) for _, (match,) in storage._instrument_view_instrument_matches.items()]
    before = provider._measurement_consumer._lock
    _renew_metric_locks(provider)
    _bound_series(provider, 3, overflows.append)
    counter.add(1, {"number": 1})
    seen.append(read())
    expected = [
        {"counted": counted, "observed": [(1, {"name": "first"})]},
        {"counted": counted, "observed": [(1, {"name": "second"})]},
        {"counted": [(1, {"number": 1})], "observed": [(1, {"name": "second"})]},
    ]
    periodic = PeriodicExportingMetricReader(ConsoleMetricExporter(), export_interval_millis=math.inf)
    is_renewed = type(before) is type(threading.Lock()) and hasattr(periodic, "_export_lock")
    is_bounded = overflows == ["counted"] * 3 and kept == [3, 1]
    return seen == expected and is_bounded and known == [True, False] and is_renewed


def _found_series(instrument: Any, attributes: dict[str, Any]) -> FoundSeries:
    series = FoundSeries(instrument, attributes)
    series.find()
    return series


SERIES: Final = Part(
    names=(
        "_internal",
        "_view_instrument_match",
        "_hash_attributes",
        "_instrument_class_temporality",
        "_instrument_class_aggregation",
        "_get_or_init_view_instrument_match",
        "_instrument_view_instrument_matches",
        "_attributes_aggregation",
        "_view",
        "_attribute_keys",
        "_value",
        "_lock",
        "_measurement_consumer",
        "_reader_storages",
        "_sdk_config",
        "_export_lock",
        "_is_enabled",
    ),
    check=_check_series,
    lost=(
        "The SDK's own limit of series holds, which it has since 1.45.2, and what exceeds it is not counted; a forked "
        "child counts its parent's events again; a measurement takes longer."
    ),
)


# Contrib's instrumentation, checked where it is used: it need not be imported otherwise.


def use_stable_conventions() -> None:
    """
    Make contrib use the stable conventions from now on, even if it has instrumented something before.

    Contrib offers no argument for it. It reads ``OTEL_SEMCONV_STABILITY_OPT_IN`` once a process, at the first
    instrumentation. A value set by the user stays in force; otherwise this writes to contrib's own table and leaves the
    environment alone.
    """
    if not CONVENTIONS.works:
        os.environ.setdefault("OTEL_SEMCONV_STABILITY_OPT_IN", "http,database")
        return
    stability, signal, mode = _conventions()
    if is_used("OTEL_SEMCONV_STABILITY_OPT_IN", os.environ):
        stability._initialize()
        return
    with stability._lock:
        stability._OTEL_SEMCONV_STABILITY_SIGNAL_MAPPING = {
            signal.GEN_AI: mode.DEFAULT,
            **stability._OTEL_SEMCONV_STABILITY_SIGNAL_MAPPING,
            signal.HTTP: mode.HTTP,
            signal.DATABASE: mode.DATABASE,
        }
        stability._initialized = True


def _conventions() -> tuple[Any, Any, Any]:
    module = "opentelemetry.instrumentation._semconv"
    return (
        _find(module, "_OpenTelemetrySemanticConventionStability"),
        _find(module, "_OpenTelemetryStabilitySignalType"),
        _find(module, "_StabilityMode"),
    )


def _check_conventions() -> bool:
    stability, signal, mode = _conventions()
    names = ("_initialize", "_initialized", "_lock", "_OTEL_SEMCONV_STABILITY_SIGNAL_MAPPING")
    is_known = all(hasattr(stability, name) for name in names)
    return is_known and all((signal.HTTP, signal.DATABASE, signal.GEN_AI, mode.HTTP, mode.DATABASE, mode.DEFAULT))


CONVENTIONS: Final = Part(
    names=(
        "_semconv",
        "_OpenTelemetrySemanticConventionStability",
        "_OpenTelemetryStabilitySignalType",
        "_StabilityMode",
        "_initialize",
        "_initialized",
        "_lock",
        "_OTEL_SEMCONV_STABILITY_SIGNAL_MAPPING",
    ),
    check=_check_conventions,
    lost=(
        "Contrib's spans follow the stable conventions only if nothing else of contrib was instrumented first; set "
        "OTEL_SEMCONV_STABILITY_OPT_IN=http,database."
    ),
    package="opentelemetry-instrumentation",
)


def engine_tracer() -> Any:
    """Return a subclass base of contrib's engine tracer: it asks ``name_of`` and then calls ``describe``."""
    from opentelemetry.instrumentation.sqlalchemy.engine import EngineTracer

    class NamingTracer(EngineTracer):
        def _operation_name(self, _db_name: str | None, statement: Any) -> str:
            name: str = self.name_of(statement)  # type: ignore[attr-defined]
            return name

        def _set_db_client_span_attributes(self, span: Any, statement: Any, db_name: str | None, attrs: Any) -> None:
            super()._set_db_client_span_attributes(span, statement, db_name, attrs)
            self.describe(span, statement, db_name)  # type: ignore[attr-defined]

    return NamingTracer


def forget_engine(engine: Any) -> None:
    """Drop contrib's listeners of one engine. Contrib itself can only drop those of all engines."""
    from opentelemetry.instrumentation.sqlalchemy.engine import EngineTracer
    from sqlalchemy import event

    listeners = getattr(EngineTracer, "_remove_event_listener_params", [])
    for entry in [entry for entry in listeners if entry[0]() is engine]:
        event.remove(engine, entry[1], entry[2])
        listeners.remove(entry)


def _check_statements() -> bool:
    from opentelemetry.instrumentation.sqlalchemy.engine import EngineTracer

    return all(hasattr(EngineTracer, name) for name in STATEMENTS.names)


STATEMENTS: Final = Part(
    names=("_operation_name", "_set_db_client_span_attributes", "_remove_event_listener_params"),
    check=_check_statements,
    lost="Contrib's spans of SQL statements are named by contrib, and shutdown() does not end them.",
    package="opentelemetry-instrumentation-sqlalchemy",
)
