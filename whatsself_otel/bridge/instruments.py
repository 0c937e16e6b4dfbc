"""The bridge's own instruments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.metrics import Observation

from whatsself_otel import catalogue
from whatsself_otel.metrics.closed_counters import create_counter
from whatsself_otel.metrics.recording import create_histogram

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.metrics import Meter


class BridgeInstruments:
    """
    The instruments of one bridge.

    Args:
        meter: Where they are created.
        providers: Of its routes.
    """

    def __init__(self, meter: Meter, providers: tuple[str, ...] = ()) -> None:
        self._meter = meter
        self._requests = create_counter(meter, catalogue.BRIDGE_REQUESTS)
        self._settled = create_counter(meter, catalogue.BRIDGE_QUEUE_SETTLED)
        self._forward = create_histogram(meter, catalogue.BRIDGE_FORWARD_DURATION)
        for outcome in catalogue.BRIDGE_SETTLED.values[:-1]:
            self._settled.add(0, {catalogue.BRIDGE_SETTLED.name: outcome})
        for provider in providers:
            for outcome in catalogue.BRIDGE_OUTCOME.values[:-1]:
                self._requests.add(0, self._labels(provider, outcome))

    def count_request(self, provider: str, outcome: str) -> None:
        """Count a request that was answered; *outcome* is a value of ``BRIDGE_OUTCOME``."""
        self._requests.add(1, self._labels(provider, outcome))

    def record_forward(self, provider: str, seconds: float) -> None:
        """Record how long a target took."""
        self._forward.record(seconds, {catalogue.PROVIDER.name: _known(provider)})

    def count_settled(self, outcome: str) -> None:
        """Count a request that left the queue; *outcome* is a value of ``BRIDGE_SETTLED``."""
        self._settled.add(1, {catalogue.BRIDGE_SETTLED.name: outcome})

    def observe_queue(self, depth: Callable[[], int], oldest_age_s: Callable[[], float]) -> None:
        """Read the queue at each export."""
        for spec, read in (
            (catalogue.BRIDGE_QUEUE_DEPTH, depth),
            (catalogue.BRIDGE_QUEUE_OLDEST_AGE, oldest_age_s),
        ):
            self._meter.create_observable_gauge(spec.name, [_callback(read)], spec.unit, spec.description.en)

    def _labels(self, provider: str, outcome: str) -> dict[str, str]:
        return {catalogue.PROVIDER.name: _known(provider), catalogue.BRIDGE_OUTCOME.name: outcome}


def _callback(read: Callable[[], float]) -> Callable[[object], list[Observation]]:
    return lambda _options: [Observation(read())]


def _known(provider: str) -> str:
    return provider if provider in catalogue.PROVIDER.values else catalogue.OTHER
