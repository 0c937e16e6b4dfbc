"""Selectors and sums as every panel writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whatsself_otel.catalogue import MetricSpec

if TYPE_CHECKING:
    from whatsself_otel.operations.model import Source

CHOSEN = 'job=~"$job", instance=~"$instance"'


def equal(label: str, value: str) -> str:
    """Return the matcher of one value."""
    return f'{label}="{value}"'


def series(metric: MetricSpec | str, more: str = "", *, suffix: str = "") -> str:
    """Return the selector of the chosen services and workers."""
    name = metric.prometheus_name if isinstance(metric, MetricSpec) else metric
    return f"{name}{suffix}{{{CHOSEN}{more and ', ' + more}}}"


def recorded(name: str, more: str = "") -> str:
    """Return the selector of a recording rule, which is over all workers."""
    return f'{name}{{job=~"$job"{more and ", " + more}}}'


def increase(metric: MetricSpec | str, window: str, more: str = "", *, by: str = "", suffix: str = "") -> str:
    """Return how much a counter grew in *window*, over all workers."""
    return f"{_sum(by)}(increase({series(metric, more, suffix=suffix)}[{window}]))"


def _sum(by: str) -> str:
    return f"sum by ({by}) " if by else "sum"


def rate(metric: MetricSpec | str, more: str = "", *, by: str = "", suffix: str = "") -> str:
    """Return how fast a counter grows a second, over all workers."""
    return f"{_sum(by)}(rate({series(metric, more, suffix=suffix)}[$__rate_interval]))"


def ratio(part: str, whole: str) -> str:
    """Return part / whole: nothing without a whole, 0 without a part."""
    return f"({part} or 0 * {whole}) / ({whole} > 0)"


def quantile(q: float, metric: MetricSpec | str, window: str, more: str = "", *, by: str = "") -> str:
    """Return a quantile of a histogram; over ``$__rate_interval`` as a rate, over any other window as an increase."""
    function = "rate" if window == "$__rate_interval" else "increase"
    labels = f"le, {by}" if by else "le"
    buckets = series(metric, more, suffix="_bucket")
    return f"histogram_quantile({q}, sum by ({labels}) ({function}({buckets}[{window}])))"


def within(metric: MetricSpec, seconds: float, window: str) -> str:
    """Return how many of a histogram's values are at most *seconds*, a bound of its buckets."""
    # OTLP writes le="120", a scrape le="120.0".
    return increase(metric, window, f'le=~"{seconds:g}(\\\\.0)?"', suffix="_bucket")


def logs(source: Source, pipeline: str) -> str:
    """Return a LogQL query over the lines of the service."""
    return f'{{service_name="{source.service}"}} {pipeline}'
