"""
The real Prometheus counts as many events as there were, whatever its receiver answers.

Ten exports go through a proxy that hands everything on and answers for it. Their times are moved 16 s apart, so that
the test need not last as long.
"""

from __future__ import annotations

import gzip
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsPartialSuccess,
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricsData
from opentelemetry.sdk.resources import Resource
from prometheus_server import run_prometheus

from whatsself_otel import TelemetryConfig
from whatsself_otel.export.exporters import build_metric_sender
from whatsself_otel.export.metric_exporter import GuardedMetricExporter
from whatsself_otel.masking import Masker
from whatsself_otel.metrics.metric_masking import MetricMasker, MetricNames

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.backend

EXPORTS = 10
INTERVAL_NS = 16 * 10**9
"""No divisor of a minute: a zero point a minute old would fall on a value, and Prometheus would drop it."""
TIMEOUT_S = 0.4


class Proxy:
    """Hands requests on to Prometheus and answers as its kind does."""

    def __init__(self, target: str, kind: str) -> None:
        self.kind = kind
        self.requests = 0
        self.refused: list[int] = []
        """What Prometheus itself did not take."""
        self._target = target

    def hand_on(self, body: bytes) -> None:
        request = urllib.request.Request(self._target, body, {"content-type": "application/x-protobuf"})
        try:
            with urllib.request.urlopen(request, timeout=30):
                pass
        except urllib.error.HTTPError as error:
            error.close()
            self.refused.append(error.code)

    def take(self, body: bytes) -> tuple[int, bytes]:
        self.requests += 1
        if self.kind == "is away at first" and self.requests <= 6:  # two tries each
            return 429, b""
        self.hand_on(without_refused(body) if self.kind == "rejects one point" else body)
        if self.kind == "answers late":
            time.sleep(2 * TIMEOUT_S)
        if self.kind == "could not reach one of its backends":
            return 503, b""
        partial = ExportMetricsPartialSuccess(rejected_data_points=int(self.kind == "rejects one point"))
        return 200, ExportMetricsServiceResponse(partial_success=partial).SerializeToString()


def without_refused(body: bytes) -> bytes:
    message = ExportMetricsServiceRequest.FromString(body)
    for resource in message.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in [metric for metric in scope.metrics if metric.name == "shop.refused"]:
                scope.metrics.remove(metric)
    return bytes(message.SerializeToString())


@contextmanager
def serving(proxy: Proxy) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status, answer = proxy.take(
                gzip.decompress(body) if self.headers.get("content-encoding") == "gzip" else body
            )
            try:
                self.send_response(status)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)
            except ConnectionError:
                pass

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()


class Shop:
    """An application whose exports seem to be made every 16 s, the last of them now."""

    def __init__(self, export: Callable[[MetricsData], object]) -> None:
        self._export = export
        self._reader = InMemoryMetricReader()
        self._starts: dict[object, int] = {}
        self._time_ns = int(time.time()) * 10**9 - EXPORTS * INTERVAL_NS
        provider = MeterProvider(
            [self._reader],
            shutdown_on_exit=False,
            resource=Resource({"service.name": "shop", "service.instance.id": "1"}),
        )
        meter = provider.get_meter("shop")
        self.sent = meter.create_counter("shop.sent")
        self.waits = meter.create_histogram("shop.wait", "s")
        self.refused = meter.create_counter("shop.refused")

    @property
    def now_s(self) -> float:
        return self._time_ns / 1e9

    def export(self) -> None:
        self._time_ns += INTERVAL_NS
        data = self._reader.get_metrics_data()
        assert data is not None
        for metric in data.resource_metrics[0].scope_metrics[0].metrics:
            points: Any = metric.data.data_points
            points[:] = [self._moved(metric.name, point) for point in points]
        self._export(data)

    def _moved(self, name: str, point: Any) -> Any:
        key = name, tuple(sorted(point.attributes.items()))
        start_ns = self._starts.setdefault(key, self._time_ns - INTERVAL_NS // 3)
        return replace(point, start_time_unix_nano=start_ns, time_unix_nano=self._time_ns, exemplars=[])


def make_exporter(url: str) -> Callable[[MetricsData], object]:
    config = TelemetryConfig(endpoint=url, export_timeout_s=TIMEOUT_S, environ={})
    sender = build_metric_sender(config)
    assert sender is not None
    return GuardedMetricExporter(sender, MetricMasker(Masker(), MetricNames())).export


@pytest.mark.parametrize(
    "kind",
    [
        "takes all",
        "rejects one point",
        "answers late",
        "could not reach one of its backends",
        "is away at first",
    ],
)
def test_ten_exports_are_counted_once_by_a_receiver_that(kind: str, tmp_path: Path) -> None:
    with run_prometheus(tmp_path) as prometheus:
        proxy = Proxy(f"{prometheus.url}/api/v1/otlp/v1/metrics", kind)
        with serving(proxy) as url:
            shop = Shop(make_exporter(url))
            events = run(shop)

        def increase(name: str) -> float | None:
            return prometheus.value(f"sum(increase({name}[10m] @ {shop.now_s}))")

        assert proxy.requests >= EXPORTS
        assert proxy.refused == []
        assert increase("shop_sent_total") == events
        assert increase("shop_wait_seconds_count") == EXPORTS
        assert prometheus.value("sum(resets(shop_sent_total[10m]))") == 0


def run(shop: Shop) -> int:
    """Make ten exports with events before each, of a new series now and then; return how many events there were."""
    events = 0
    for number in range(EXPORTS):
        amount = 13 + number
        shop.sent.add(amount, {"kind": f"k{number // 3}"})
        shop.waits.record(number)
        shop.refused.add(1)
        events += amount
        shop.export()
    return events
