"""One series of an instrument, found once: the SDK looks it up by its sorted attributes at every measurement."""
# ruff: noqa: SLF001 - the SDK has no public way to one series; where its names are others, it looks up as ever

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel_context
from opentelemetry.sdk.metrics._internal._view_instrument_match import _hash_attributes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.context import Context


class Series:
    """
    Records on one series of a counter or histogram.

    The first measurement of a process goes the SDK's way, which makes the series; so do those after a fork, after a
    change of readers, and those of a series for which the instrument had no room.

    Args:
        instrument: A synchronous instrument.
        attributes: Clean text, numbers and truth values.
    """

    __slots__ = ("_aggregations", "_attributes", "_consumer", "_instrument", "_storages", "_write")

    def __init__(self, instrument: Any, attributes: Mapping[str, str | int]) -> None:
        self._instrument = instrument
        self._attributes = dict(attributes)
        self._write = instrument.add if hasattr(instrument, "add") else instrument.record
        self._consumer = getattr(instrument, "_measurement_consumer", None)
        self._storages: Any = None
        self._aggregations: tuple[Any, ...] = ()

    def record(self, value: float, context: Context | None = None) -> None:
        """
        Record one measurement.

        Args:
            value: >= 0 and finite; the SDK warns of another and drops it.
            context: Where the span of its exemplar is; default: the current context.
        """
        consumer = self._consumer
        if consumer is None or not 0 <= value < math.inf:
            self._write(value, self._attributes, context)
        elif consumer._reader_storages is not self._storages or not self._instrument._is_enabled():
            storages = consumer._reader_storages
            self._write(value, self._attributes, context)
            self._find(storages)
        else:
            measurement = _Measurement(
                value, self._attributes, otel_context.get_current() if context is None else context
            )
            is_exemplar = consumer._sdk_config.exemplar_filter.should_sample(
                value, measurement.time_unix_nano, self._attributes, measurement.context
            )
            for aggregation in self._aggregations:
                aggregation.aggregate(measurement, is_exemplar)

    def _find(self, storages: Any) -> None:
        """Find what aggregates this series for each reader, if the measurement has made it."""
        try:
            found = [
                match._attributes_aggregation.get(
                    _hash_attributes(_kept(self._attributes, match._view._attribute_keys))
                )
                for storage in storages.values()
                for match in storage._instrument_view_instrument_matches[self._instrument]
            ]
        except (AttributeError, KeyError):
            self._consumer = None
            return
        if None not in found:
            self._aggregations = tuple(found)
            self._storages = storages


class _Measurement:
    """What an aggregation reads of a measurement."""

    __slots__ = ("attributes", "context", "time_unix_nano", "value")

    def __init__(self, value: float, attributes: Mapping[str, str | int], context: Context) -> None:
        self.value = value
        self.time_unix_nano = time.time_ns()
        self.attributes = attributes
        self.context = context


def _kept(attributes: dict[str, str | int], keys: Any) -> dict[str, str | int]:
    return attributes if keys is None else {key: value for key, value in attributes.items() if key in keys}
