"""
``/metrics`` in the application (extra ``[prometheus]``): the same names as by OTLP, with exemplars.

Our own reader renders the SDK's metrics through prometheus-client's exposition. The contrib exporter is no dependency,
writes no exemplars, and fails on an exponential histogram.

One process answers a scrape. With several workers, each scrape reaches another one. Then let the workers push to the
collector, and scrape the collector's Prometheus endpoint.
"""

from __future__ import annotations

import asyncio
import hmac
import math
import os
import threading
from bisect import bisect_left
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk.metrics.export import (
    ExponentialHistogram,
    MetricExporter,
    MetricExportResult,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.metrics.export import Histogram as HistogramData

from whatsself_otel.catalogue import Exposition, Kind, bucket_label
from whatsself_otel.errors import ConfigError
from whatsself_otel.messages import OwnLogger
from whatsself_otel.metrics.metric_masking import TARGET_INFO, Losses, kind_of, sample_names
from whatsself_otel.metrics.prometheus_names import prometheus_labels, prometheus_name
from whatsself_otel.processes.forks import is_one_of_several_workers, run_in_child

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, MutableMapping

    from opentelemetry.sdk.metrics.export import (
        ExponentialHistogramDataPoint,
        HistogramDataPoint,
        Metric,
        MetricsData,
        NumberDataPoint,
    )
    from prometheus_client.metrics_core import Metric as Family

    from whatsself_otel.metrics.metric_masking import MetricMasker

_logger: Final = OwnLogger(__name__)

MAX_RENDERS: Final = 2
"""Scrapes answered at one time. A further one gets 503, so that a flood takes no threads from the application."""


class PrometheusReader(PeriodicExportingMetricReader):
    """
    Reads the SDK's metrics on demand. A reader added later lacks the earlier measurements.

    Args:
        masker: Hides personal data in what was read, and gives each series a name of its own.
    """

    def __init__(self, masker: MetricMasker) -> None:
        # Now, not at the first scrape: a fork during an import leaves the child waiting for it for ever.
        from prometheus_client.exposition import choose_encoder

        self._kept = _Keeper()
        super().__init__(self._kept, export_interval_millis=math.inf)  # when it is asked to, without a thread
        self._choose_encoder = choose_encoder
        self._masker = masker
        self._said: set[str] = set()
        self._begin()
        run_in_child(self._begin)

    def _begin(self) -> None:
        self._rendering = threading.Lock()
        self._kept.data = None

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """
        Return the exposition and its content type.

        Args:
            accept: The ``Accept`` header; OpenMetrics, which alone carries exemplars, where it asks for it.
        """
        with self._rendering:
            self.collect()
            data, self._kept.data = self._kept.data, None
            page = self._build(data) if data else _Page()
        encode, content_type = self._choose_encoder(accept)
        return encode(page), content_type

    def _build(self, data: MetricsData) -> _Page:
        losses = Losses()
        page = _Page()
        page.add(self._masker.mask(data, losses), losses)
        if losses.last and losses.last not in self._said:
            self._said.add(losses.last)
            _logger.warning("whatsself_otel left %d points out of /metrics: %s.", losses.points, losses.last)
        return page


class _Keeper(MetricExporter):
    """Keeps the last reading."""

    data: MetricsData | None = None

    def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **_: Any) -> MetricExportResult:
        del timeout_millis
        self.data = metrics_data
        return MetricExportResult.SUCCESS

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        del timeout_millis
        return True

    def shutdown(self, timeout_millis: float = 30_000, **_: Any) -> None:
        """Do nothing: no work runs between scrapes."""


class MetricsApp:
    """
    An ASGI application that answers a scrape.

    Args:
        reader: Whose metrics to show.
        bearer_token: What ``Authorization: Bearer`` must hold; None where the network is the only guard.

    Raises:
        ConfigError: If the extra is not installed, or the token is empty.
    """

    def __init__(self, reader: PrometheusReader, *, bearer_token: str | None = None) -> None:
        if problems := list(_problems(bearer_token)):
            raise ConfigError(problems)
        self._reader = reader
        self._authorization = None if bearer_token is None else f"Bearer {bearer_token}".encode()
        self._renders = 0

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ) -> None:
        """Answer one request."""
        del receive
        if scope["type"] != "http":
            return
        answer = await self._answer(scope["method"], _header_values(scope["headers"]))
        headers = [(b"content-type", answer.content_type.encode()), (b"cache-control", b"no-store"), *answer.headers]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        body = b"" if scope["method"] == "HEAD" else answer.body
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, method: str, headers: Mapping[bytes, bytes]) -> _Answer:
        if not self._is_allowed(headers.get(b"authorization", b"")):
            return _Answer(
                status=401, body=b"a bearer token is required\n", headers=((b"www-authenticate", b"Bearer"),)
            )
        if method not in {"GET", "HEAD"}:
            return _Answer(status=405, body=b"GET only\n", headers=((b"allow", b"GET, HEAD"),))
        if self._renders >= MAX_RENDERS:
            return _Answer(status=503, body=b"other scrapes are being answered\n", headers=((b"retry-after", b"1"),))
        return await self._render(headers.get(b"accept", b"").decode("latin-1"))

    async def _render(self, accept: str) -> _Answer:
        self._renders += 1
        try:
            body, content_type = await asyncio.to_thread(self._reader.render, accept)
        except Exception:
            _logger.exception("whatsself_otel could not render /metrics")
            return _Answer(status=500, body=b"the metrics could not be read\n")
        finally:
            self._renders -= 1
        return _Answer(status=200, body=body, content_type=content_type)

    def _is_allowed(self, authorization: bytes) -> bool:
        return self._authorization is None or hmac.compare_digest(authorization, self._authorization)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    status: int
    body: bytes
    content_type: str = "text/plain; charset=utf-8"
    headers: tuple[tuple[bytes, bytes], ...] = ()


def several_workers_problem(environ: Mapping[str, str] = os.environ) -> str | None:
    """Return a problem if this process is one of several workers, each with a ``/metrics`` of its own; else None."""
    if not is_one_of_several_workers(environ):
        return None
    return (
        "/metrics shows one worker only, a different one at each scrape; with several workers scrape the collector's "
        "Prometheus endpoint, which holds them all."
    )


def _problems(bearer_token: str | None) -> Iterator[str]:
    if bearer_token is not None and not bearer_token.strip():
        yield "the bearer token of /metrics must not be empty; pass None for none."
    try:
        import prometheus_client  # noqa: F401 - only whether it is there
    except ImportError:
        yield "/metrics needs prometheus-client; install whatsself-otel[prometheus]."


def _header_values(headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    return {name.lower(): value for name, value in headers}


class _Page:
    """The families of one scrape; prometheus-client's encoders collect them."""

    def __init__(self) -> None:
        self._families: dict[str, _FamilyBuilder] = {}
        """Families by each name that they take."""

    def collect(self) -> Iterable[Family]:
        """Return each family once."""
        return [builder.family for builder in dict.fromkeys(self._families.values())]

    def add(self, data: MetricsData, losses: Losses) -> None:
        """Add all of *data*; points that cannot be shown are left out and added to *losses*."""
        for resource in data.resource_metrics:
            target = self._family("target", "Target metadata", "info", (TARGET_INFO,))
            target.family.add_sample(TARGET_INFO, prometheus_labels(resource.resource.attributes), 1)
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    self._add_metric(metric, losses)

    def _add_metric(self, metric: Metric, losses: Losses) -> None:
        kind = kind_of(metric.data)
        name = prometheus_name(metric.name, unit=metric.unit or "", kind=kind)
        samples = sample_names(name, kind)
        builder = self._family(name, metric.description or "", (kind or Kind.GAUGE).value, samples)
        if builder.samples == samples and builder.family.type == (kind or Kind.GAUGE):
            builder.add(metric, losses)
        else:
            points = len(metric.data.data_points)
            losses.add(ValueError("a name of two types"), f"{name}, a name of two types", points=points)

    def _family(self, name: str, description: str, kind: str, samples: tuple[str, ...]) -> _FamilyBuilder:
        """Return the family that has one of the names *samples*, even one of another kind, or a new family."""
        known = next((found for sample in samples if (found := self._families.get(sample))), None)
        if known is None:
            known = _FamilyBuilder(name, kind, description, samples)
            self._families.update(dict.fromkeys(samples, known))
        return known


class _FamilyBuilder:
    """Gathers one family's samples."""

    def __init__(self, name: str, kind: str, description: str, samples: tuple[str, ...]) -> None:
        from prometheus_client.metrics_core import Metric as PrometheusMetric

        self.samples = samples
        self._name = name
        text = description.encode(errors="replace").decode()
        self.family: Family = PrometheusMetric(name.removesuffix("_total") if kind == "counter" else name, text, kind)

    def add(self, metric: Metric, losses: Losses) -> None:
        """Add the points of *metric*."""
        for point in metric.data.data_points:
            try:
                self._add_point(metric, point, prometheus_labels(point.attributes or {}))
            except Exception as error:  # noqa: BLE001 - whatever an application has measured
                losses.add(error, self._name, points=1)

    def _add_point(self, metric: Metric, point: Any, labels: dict[str, str]) -> None:
        if isinstance(metric.data, HistogramData):
            self._add_histogram(point, labels)
        elif isinstance(metric.data, ExponentialHistogram):
            self._add_exponential(point, labels)
        else:
            self._add_number(point, labels)

    def _add_number(self, point: NumberDataPoint, labels: dict[str, str]) -> None:
        exemplars = list(point.exemplars) if self.family.type == "counter" else []
        exemplar = _exemplar(exemplars[-1]) if exemplars else None
        self.family.add_sample(self._name, labels, float(point.value), exemplar=exemplar)

    def _add_histogram(self, point: HistogramDataPoint, labels: dict[str, str]) -> None:
        bounds = [*point.explicit_bounds, math.inf]
        exemplars = {bisect_left(bounds, exemplar.value): exemplar for exemplar in point.exemplars}
        for index, count in enumerate(accumulate(point.bucket_counts)):
            exemplar = _exemplar(exemplars[index]) if index in exemplars else None
            self._add_bucket(bounds[index], count, labels, exemplar)
        self._add_totals(point, labels)

    def _add_exponential(self, point: ExponentialHistogramDataPoint, labels: dict[str, str]) -> None:
        """Add an exponential histogram's totals: without fixed buckets there is no classic histogram."""
        self._add_bucket(math.inf, point.count, labels, None)
        self._add_totals(point, labels)

    def _add_bucket(self, bound: float, count: int, labels: dict[str, str], exemplar: Any) -> None:
        bucket_labels = {**labels, "le": bucket_label(bound, Exposition.SCRAPE)}
        self.family.add_sample(f"{self._name}_bucket", bucket_labels, count, exemplar=exemplar)

    def _add_totals(self, point: HistogramDataPoint | ExponentialHistogramDataPoint, labels: dict[str, str]) -> None:
        self.family.add_sample(f"{self._name}_count", labels, point.count)
        self.family.add_sample(f"{self._name}_sum", labels, point.sum)


def _exemplar(exemplar: Any) -> Any:
    from prometheus_client.samples import Exemplar

    if not exemplar.trace_id:
        return None
    labels = {"trace_id": f"{exemplar.trace_id:032x}", "span_id": f"{exemplar.span_id:016x}"}
    return Exemplar(labels, float(exemplar.value), exemplar.time_unix_nano / 1e9)
