"""Selectors and sums as every panel writes them."""

from __future__ import annotations

from whatsself_otel.catalogue import SESSION_NAME, MetricSpec

OF_SERVICE = 'job=~"$job", deployment_environment_name=~"$environment", service_namespace=~"$namespace"'
CHOSEN = f'{OF_SERVICE}, instance=~"$instance"'
# What is of no session, as a queue that serves all of them, is shown whichever is chosen.
OF_SESSION = 'session=~"$session|"'
# A collector or a store is scraped and says of no environment: it is shown whichever is chosen.
OF_MACHINE = 'job=~"$job", instance=~"$instance", deployment_environment_name=~"($environment)?"'
EACH_SESSION = "deployment_environment_name, job, session"
"""Labels that identify a session: two environments may use the same session name."""
# An alert about a collector or a store has no job, and one about everything no environment.
ALERTS = 'ALERTS{alertstate="firing", severity!="none", deployment_environment_name=~"($environment)?"}'
SESSION_LEGEND = "{{session}} · {{deployment_environment_name}}"


def equal(label: str, value: str) -> str:
    """Return the matcher of one value."""
    return f'{label}="{value}"'


def series(metric: MetricSpec | str, more: str = "", *, suffix: str = "") -> str:
    """Return the selector of the chosen services and workers, and of the chosen sessions where the metric has them."""
    matchers = [CHOSEN]
    if isinstance(metric, MetricSpec) and SESSION_NAME in metric.attributes:
        matchers.append(OF_SESSION)
    return f"{_name(metric)}{suffix}{{{', '.join([*matchers, *([more] if more else [])])}}}"


def machine(metric: str, more: str = "") -> str:
    """Return the selector of a collector's or a store's own metric."""
    return f"{metric}{{{OF_MACHINE}{more and ', ' + more}}}"


def _name(metric: MetricSpec | str) -> str:
    return metric.prometheus_name if isinstance(metric, MetricSpec) else metric


def recorded(name: str, more: str = "") -> str:
    """Return the selector of a recording rule, which covers all workers and sessions."""
    return f"{name}{{{OF_SERVICE}{more and ', ' + more}}}"


def increase(metric: MetricSpec | str, window: str, more: str = "", *, by: str = "", suffix: str = "") -> str:
    """Return a counter's growth in *window*, over all workers; an offset may follow the window."""
    length, _, offset = window.partition(" ")
    return f"{_sum(by)}(increase({series(metric, more, suffix=suffix)}[{length}]{offset and ' ' + offset}))"


def _sum(by: str) -> str:
    return f"sum by ({by}) " if by else "sum"


def rate(metric: MetricSpec | str, more: str = "", *, by: str = "", suffix: str = "") -> str:
    """Return how fast a counter grows a second, over all workers."""
    return f"{_sum(by)}(rate({series(metric, more, suffix=suffix)}[$__rate_interval]))"


def ratio(part: str, whole: str) -> str:
    """Return part / whole: nothing without a whole, 0 without a part."""
    return f"({part} or 0 * {whole}) / ({whole} > 0)"


def of_each_session(gauge: MetricSpec) -> str:
    """Return a gauge once a session, from workers that each report the whole."""
    return f"max by ({EACH_SESSION}) ({series(gauge)})"


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
