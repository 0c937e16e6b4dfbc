"""
A limit on the series of each instrument, which the Python SDK lacks (opentelemetry-python#2700).

What exceeds it goes to one series with ``otel.metric.overflow=true``, as the specification wants: totals stay right,
memory stays bounded. It covers every instrument of the provider, contrib's and the application's own too.

Source: https://opentelemetry.io/docs/specs/otel/metrics/sdk/#cardinality-limits.
"""
# ruff: noqa: SLF001 - the SDK has no public place where a limit could stand

from __future__ import annotations

import dataclasses
import logging
import threading
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.metrics import Asynchronous
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics._internal._view_instrument_match import _hash_attributes, _ViewInstrumentMatch
from opentelemetry.sdk.metrics._internal.metric_reader_storage import MetricReaderStorage

from whatsself_otel.catalogue import OVERFLOW

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.sdk.metrics._internal.measurement import Measurement
    from opentelemetry.sdk.metrics.export import MetricReader, MetricsData

_logger: Final = logging.getLogger(__name__)

CARDINALITY_LIMIT: Final = 2000
"""Series an instrument may have, the specification's default."""


class BoundedMeterProvider(MeterProvider):
    """
    A meter provider whose instruments have a limited number of series, and whose forked children begin at zero.

    Args:
        metric_readers: As the SDK's.
        cardinality_limit: Series an instrument may have, the overflow series included; >= 2.
        options: The SDK's other arguments.

    Attributes:
        on_overflow: Called with the instrument's name for each measurement that lost its attributes; must not raise
            and must not record on an instrument of this provider.
    """

    def __init__(
        self, metric_readers: Sequence[MetricReader] = (), *, cardinality_limit: int = CARDINALITY_LIMIT, **options: Any
    ) -> None:
        self.on_overflow: Callable[[str], None] = lambda _name: None
        self._cardinality_limit = cardinality_limit
        self._overflowing: set[str] = set()
        super().__init__(metric_readers, **options)
        self._replace_storages()

    def add_metric_reader(self, metric_reader: MetricReader) -> None:
        """Register a reader, bounded like the others."""
        super().add_metric_reader(metric_reader)
        consumer = self._measurement_consumer
        consumer._reader_storages = {**consumer._reader_storages, metric_reader: self._new_storage(metric_reader)}

    def _handle_fork(self) -> None:
        """Begin at zero: a child that goes on from its parent's values counts the parent's events again."""
        super()._handle_fork()
        self._measurement_consumer._lock = threading.Lock()
        for reader in self._measurement_consumer._reader_storages:
            if hasattr(reader, "_export_lock"):  # the parent's thread may have held it, and does not exist here
                reader._export_lock = threading.Lock()
        self._overflowing.clear()
        self._replace_storages()

    def _replace_storages(self) -> None:
        consumer = self._measurement_consumer
        consumer._reader_storages = {reader: self._new_storage(reader) for reader in consumer._reader_storages}

    def _new_storage(self, reader: MetricReader) -> _BoundedStorage:
        return _BoundedStorage(self._sdk_config, reader, limit=self._cardinality_limit, on_overflow=self._overflow)

    def _overflow(self, name: str) -> None:
        if name not in self._overflowing:
            self._overflowing.add(name)
            _logger.warning(
                "The metric %s has reached its limit of %d series; further attribute sets share the series "
                "%s=true. Look for an identifier among its attributes.",
                name,
                self._cardinality_limit,
                OVERFLOW,
            )
        self.on_overflow(name)


class _BoundedStorage(MetricReaderStorage):
    """One reader's series: bounded for synchronous instruments, only the present ones for observed instruments."""

    def __init__(
        self, sdk_config: Any, reader: MetricReader, *, limit: int, on_overflow: Callable[[str], None]
    ) -> None:
        temporality: Any = reader._instrument_class_temporality
        aggregation: Any = reader._instrument_class_aggregation
        super().__init__(sdk_config, temporality, aggregation)
        self._limit = limit
        self._on_overflow = on_overflow

    def consume_measurement(self, measurement: Measurement, should_sample_exemplar: bool = True) -> None:  # noqa: FBT001, FBT002 - the SDK's signature
        """Aggregate the measurement, under the overflow attribute where its series would be one too many."""
        for match in self._get_or_init_view_instrument_match(measurement.instrument):
            bounded = measurement
            if len(match._attributes_aggregation) >= self._limit - 1 and _is_new(match, measurement):
                bounded = dataclasses.replace(measurement, attributes=_OVERFLOW_ATTRIBUTES)
                self._on_overflow(measurement.instrument.name)
            match.consume_measurement(bounded, should_sample_exemplar)

    def collect(self) -> MetricsData | None:
        """Collect, after forgetting the observed series that no callback reported this time."""
        with self._lock:
            for instrument, matches in self._instrument_view_instrument_matches.items():
                if isinstance(instrument, Asynchronous):
                    for match in matches:
                        _forget_unobserved(match)
        return super().collect()


_OVERFLOW_ATTRIBUTES: Final = {OVERFLOW: True}


def _is_new(match: _ViewInstrumentMatch, measurement: Measurement) -> bool:
    attributes = dict(measurement.attributes or {})
    kept = match._view._attribute_keys
    if kept is not None:
        attributes = {name: value for name, value in attributes.items() if name in kept}
    return _hash_attributes(attributes) not in match._attributes_aggregation


def _forget_unobserved(match: _ViewInstrumentMatch) -> None:
    with match._lock:
        series = match._attributes_aggregation
        for key in [key for key, aggregation in series.items() if getattr(aggregation, "_value", 0) is None]:
            del series[key]
