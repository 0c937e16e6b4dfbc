"""
A limit on the series of each instrument, which the Python SDK lacks (opentelemetry-python#2700).

Measurements beyond it go to one series with ``otel.metric.overflow=true``, as the specification requires. So totals
stay right and memory stays bounded. The limit covers every instrument of the provider, contrib's and the application's
included.

Source: https://opentelemetry.io/docs/specs/otel/metrics/sdk/#cardinality-limits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk.metrics import MeterProvider

from whatsself_otel import _sdk
from whatsself_otel.catalogue import OVERFLOW
from whatsself_otel.messages import OwnLogger
from whatsself_otel.processes.forks import run_in_child

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.sdk.metrics.export import MetricReader

_logger: Final = OwnLogger(__name__)

CARDINALITY_LIMIT: Final = 2000
"""Series that an instrument may have: the specification's default."""


class BoundedMeterProvider(MeterProvider):
    """
    A meter provider that limits each instrument's series, and that starts at zero in a forked child.

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
        self._bound()
        run_in_child(self._begin_at_zero)

    def add_metric_reader(self, metric_reader: MetricReader) -> None:
        """Register a reader, bounded like the others."""
        super().add_metric_reader(metric_reader)
        self._bound(metric_reader)

    def _bound(self, reader: MetricReader | None = None) -> None:
        _sdk.bound_series(self, self._cardinality_limit, self._overflow, reader)

    def _begin_at_zero(self) -> None:
        """Start a child at zero. With its parent's values it would count the parent's events again."""
        _sdk.renew_metric_locks(self)
        self._overflowing.clear()
        self._bound()

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
