"""
What one export of metrics executes, ours beside the SDK's own exporter, for the same series.

    python benchmarks/metric_export.py            print the table
    python benchmarks/metric_export.py --write    write it to benchmarks/results/metric_export.md too

Each row records the same application's series before each export: 100 of a counter, 40 of a histogram, 20 of a gauge.
The last row has the series that this package adds of its own, too. Valgrind counts instructions; each runs with few
exports and with more, and the difference is what exports cost. The receiver is a process of its own.
"""

from __future__ import annotations

import contextlib
import http.server
import logging
import os
import re
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tables import circumstances, show

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FEW: Final = 5
MANY: Final = 25
COUNTERS, HISTOGRAMS, GAUGES = 100, 40, 20
RESULT: Final = Path(__file__).parent / "results" / "metric_export.md"
_REPORT: Final = """\
# What an export of metrics executes

{date}, {machine}, load {load}; exports {few} to {many} of {series} series.
Written by `python benchmarks/metric_export.py --write`.

| exporter | thousand instructions an export | of the SDK's |
|---|---|---|
{rows}
"""


def main() -> None:
    """Measure, or run as the measured process."""
    if sys.argv[1:2] == ["--export"]:
        _SUBJECTS[sys.argv[2]](sys.argv[3], int(sys.argv[4]))
        os._exit(0)  # the end is not what an export costs
    show(__doc__, RESULT, measure)


def measure() -> str:
    """Return the table."""
    if shutil.which("valgrind") is None:
        raise SystemExit("SKIPPED: valgrind is not installed, and nothing else counts instructions everywhere")
    with receiver() as endpoint, ThreadPoolExecutor(os.cpu_count()) as workers:
        runs = [(name, exports) for name in _SUBJECTS for exports in (FEW, MANY)]
        counts = dict(zip(runs, workers.map(lambda run: _count(*run, endpoint=endpoint), runs), strict=True))
    costs = {name: (counts[name, MANY] - counts[name, FEW]) / (MANY - FEW) for name in _SUBJECTS}
    rows = "\n".join(f"| {name} | {cost / 1e3:,.0f} | {cost / costs['sdk']:.2f} |" for name, cost in costs.items())
    series = COUNTERS + HISTOGRAMS + GAUGES
    return _REPORT.format(**circumstances(), few=FEW, many=MANY, series=series, rows=rows)


def _count(name: str, exports: int, *, endpoint: str) -> int:
    command = ("valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null", sys.executable)
    environment = {"PATH": os.environ["PATH"], "PYTHONHASHSEED": "0", "OTEL_METRIC_EXPORT_INTERVAL": "600000"}
    child = [*command, __file__, "--export", name, endpoint, str(exports)]
    done = subprocess.run(child, env=environment, capture_output=True, text=True, check=True)
    (total,) = re.findall(r"I +refs: +([\d,]+)", done.stderr)
    return int(total.replace(",", ""))


class _Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", "application/x-protobuf")
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def receiver() -> Iterator[str]:
    """Run a receiver of OTLP over HTTP, which answers yes."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def _export_by_sdk(endpoint: str, exports: int) -> None:
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

    exporter = OTLPMetricExporter(f"{endpoint}/v1/metrics", compression=Compression.Gzip)
    provider = MeterProvider([PeriodicExportingMetricReader(exporter, 600_000)], shutdown_on_exit=False)
    _record_and_flush(provider, provider.force_flush, exports)


def _export_by_ours(endpoint: str, exports: int) -> None:
    from whatsself_otel import TelemetryConfig, setup_telemetry

    config = TelemetryConfig(
        endpoint=endpoint, traces_exporter="none", logs_exporter="none", log_to_stdout=False, prometheus=False
    )
    telemetry = setup_telemetry(config=config)
    _record_and_flush(telemetry.meter_provider, telemetry.force_flush, exports)


def _export_by_own_exporter(endpoint: str, exports: int) -> None:
    """Export by this package's exporter, without the series that the package adds."""
    from whatsself_otel import TelemetryConfig
    from whatsself_otel.export.exporters import build_metric_sender
    from whatsself_otel.export.metric_exporter import GuardedMetricExporter
    from whatsself_otel.masking import Masker
    from whatsself_otel.metrics.cardinality import BoundedMeterProvider
    from whatsself_otel.metrics.metric_masking import MetricMasker, MetricNames
    from whatsself_otel.metrics.metric_reader import IntervalReader

    sender = build_metric_sender(TelemetryConfig(endpoint=endpoint))
    assert sender is not None  # noqa: S101 - metrics go by OTLP unless something else is asked for
    reader = IntervalReader(GuardedMetricExporter(sender, MetricMasker(Masker(), MetricNames())), 600)
    provider = BoundedMeterProvider([reader], shutdown_on_exit=False)
    _record_and_flush(provider, provider.force_flush, exports)


def _record_and_flush(provider: Any, flush: Callable[[], object], exports: int) -> None:
    logging.disable()
    meter = provider.get_meter("shop")
    counter, histogram, gauge = (
        meter.create_counter("orders", "1", "Orders."),
        meter.create_histogram("order.duration", "s", "Duration."),
        meter.create_gauge("stock", "1", "Stock."),
    )
    for _ in range(exports):
        for number in range(COUNTERS):
            counter.add(1, {"kind": f"kind-{number}", "outcome": "paid"})
        for number in range(HISTOGRAMS):
            histogram.record(number / 10, {"route": f"/route/{number}", "method": "GET"})
        for number in range(GAUGES):
            gauge.set(number, {"shelf": f"shelf-{number}"})
        flush()


_SUBJECTS: Final = {
    "sdk": _export_by_sdk,
    "ours, the same series": _export_by_own_exporter,
    "ours, with the package's series": _export_by_ours,
}

if __name__ == "__main__":
    main()
