"""Twenty-five faults are planted in a real stack, and the doctor names each one and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import pytest
from binaries import run_collector
from fault_rig import QUICK
from isolation import Spans, three, wait_until_decided
from otlp_sink import run_sink

from whatsself_otel.cli.stack import Running
from whatsself_otel.stack.addresses import Addresses
from whatsself_otel.stack.errors import CommandError
from whatsself_otel.stack.native_stack import Stack, StackConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from whatsself_otel import Telemetry

pytestmark = pytest.mark.backend

NOBODY = "http://127.0.0.1:9"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A planted fault, and the finding that must name it."""

    check: str
    says: str
    environ: Mapping[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ("--no-probe",)


def faults(stack: Stack, folder: Path) -> dict[str, Fault]:
    """Return what can be wrong around a stack that is well."""
    at = stack.addresses
    key, mixed, other = folder / "key", folder / "mixed", folder / "other"
    key.write_bytes(b"k" * 32)
    key.chmod(0o644)
    distribution(mixed, "opentelemetry-instrumentation-fastapi", "0.40b0")
    distribution(other, "ddtrace", "4.16.0")
    endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT"
    remote = {endpoint: "http://collector.invalid:4318", "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20hunter2"}
    return {
        "a misspelt variable": Fault(
            check="variables", says="WHATSSELF_OTEL_MASK_LST", environ={"WHATSSELF_OTEL_MASK_LST": "0"}
        ),
        "a wrong value": Fault(
            check="variables", says="OTEL_EXPORTER_OTLP_TIMEOUT", environ={"OTEL_EXPORTER_OTLP_TIMEOUT": "soon"}
        ),
        "a key file that is not there": Fault(
            check="variables",
            says="WHATSSELF_OTEL_PSEUDONYM_KEY_FILE",
            environ={"WHATSSELF_OTEL_PSEUDONYM_KEY_FILE": str(folder / "none")},
        ),
        "everything switched off": Fault(
            check="signals", says="OTEL_SDK_DISABLED is true", environ={"OTEL_SDK_DISABLED": "true"}
        ),
        "logs switched off": Fault(check="signals", says="logs are not sent", environ={"OTEL_LOGS_EXPORTER": "none"}),
        "a sampler that takes nothing": Fault(
            check="signals", says="AlwaysOffSampler drops every trace", environ={"OTEL_TRACES_SAMPLER": "always_off"}
        ),
        "a key file open to others": Fault(
            check="secrets",
            says="can be read by other users",
            environ={"WHATSSELF_OTEL_PSEUDONYM_KEY_FILE": str(key)},
        ),
        "a credential in the clear": Fault(check="secrets", says="without TLS", environ=remote),
        "a name that is not known": Fault(check="endpoint", says="collector.invalid is not known", environ=remote),
        "another instrumentation": Fault(check="duplicates", says="ddtrace 4.16.0", environ={"PYTHONPATH": str(other)}),
        "FastAPI's own exporters": Fault(
            check="duplicates", says="FASTAPI_OTEL_AUTO_CONFIGURE", environ={"FASTAPI_OTEL_AUTO_CONFIGURE": "true"}
        ),
        "versions that do not belong together": Fault(
            check="versions",
            says="opentelemetry-instrumentation-fastapi 0.40b0",
            environ={"PYTHONPATH": str(mixed)},
        ),
        "a full disk": Fault(
            check="disk", says="the collector's queue may not fit", arguments=("--no-probe", f"--least-free={10**12}")
        ),
        "nobody listens": Fault(check="endpoint", says="127.0.0.1:9", environ={endpoint: NOBODY}),
        "the port of gRPC": Fault(check="protocol", says="is a gRPC port", environ={endpoint: at.otlp_grpc}),
        "the port of HTTP": Fault(
            check="protocol", says="speaks HTTP/1, not gRPC", environ={"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
        ),
        "TLS where there is none": Fault(
            check="tls", says="does not speak TLS", environ={endpoint: at.otlp_http.replace("http:", "https:")}
        ),
        "another program's port": Fault(
            check="receiver", says="is not an OTLP receiver's", environ={endpoint: at.alertmanager}
        ),
        "an application that does not answer": Fault(
            check="application", says="does not answer", arguments=("--no-probe", f"--health-url={NOBODY}/health")
        ),
        "a wrong address of an application": Fault(
            check="application",
            says="is not the health of an application",
            arguments=("--no-probe", f"--health-url={at.collector_health}"),
        ),
    }


KILLED: Final = {
    "the log store is gone": ("victorialogs", "round trip: logs", "VictoriaLogs does not answer"),
    "the trace store is gone": ("jaeger", "queue", "Nothing has left for otlp_grpc/jaeger (traces)"),
    "the metrics' store is gone": ("prometheus", "queue", "Nothing has left for otlp_http/prometheus (metrics)"),
}
"""The program that is killed, and the finding that names it."""
OF_VENDORS: Final = {
    "a wrong port of the collector's metrics": "No collector answers with its own metrics",
    "a vendor whose queue behind a gate is full": "The backend behind that gate was away and its queue full.",
}
"""The metrics of a collector with vendors."""


def distribution(folder: Path, name: str, number: str) -> None:
    """Make an installed package of the name."""
    information = folder / f"{name.replace('-', '_')}-{number}.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {number}\n", "utf-8")


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    try:
        with Stack(StackConfig(data=tmp_path, addresses=Addresses.free(), loki=False, tempo=False)) as running:
            urls = {name: process.ready_url for name, process in running.processes.items()}
            Running(pid=os.getpid(), ports=dict(running.addresses.ports), ready_urls=urls).write(tmp_path)
            yield running
    except CommandError as error:
        pytest.skip(str(error))


def examine(data: Path, endpoint: str, environ: Mapping[str, str], *arguments: str) -> dict[str, Any]:
    """Return the doctor's report as JSON."""
    asked = subprocess.run(
        [sys.executable, "-m", "whatsself_otel.cli", "doctor", "--json", f"--data={data}", *arguments],
        env={**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, **environ},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    told: dict[str, Any] = json.loads(asked.stdout)
    assert "hunter2" not in asked.stdout + asked.stderr
    return told


def names(told: Mapping[str, Any], check: str, says: str) -> bool:
    """Return whether a finding that is not ok says it, with a fix."""
    return any(
        each["check"] == check and says in each["cause"] and each["state"] in {"fault", "warning"} and each["fix"]
        for each in told["findings"]
    )


def test_there_are_twenty_five(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "planted").mkdir()

    assert len(faults(stack, tmp_path / "planted")) + len(KILLED) + len(OF_VENDORS) == 25


def test_each_fault_of_a_stack_is_named_and_only_the_stack_without_one_is_well(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "planted").mkdir()
    at = stack.addresses.otlp_http
    well = examine(tmp_path, at, {}, "--patience=90")
    missed = [
        name
        for name, fault in faults(stack, tmp_path / "planted").items()
        if not names(examine(tmp_path, at, fault.environ, *fault.arguments), fault.check, fault.says)
    ]
    for name, (program, check, says) in KILLED.items():
        stack.stop_one(program, kill=True)
        told = examine(tmp_path, at, {}, "--patience=5")
        missed += [name] * (told["ok"] or not names(told, check, says))

    assert (well["ok"], well["proven"]) == (True, True), well
    assert missed == []


def test_each_fault_of_a_collector_with_vendors_is_named_and_unread_is_not_well(
    tmp_path: Path, start: Callable[..., Telemetry]
) -> None:
    with run_sink() as sink, run_collector("otlp", environ={"OTLP_ENDPOINT": sink.url}, settings=QUICK) as collector:
        metrics = {"OTELCOL_METRICS_PORT": str(urlsplit(collector.metrics_url).port)}
        unread = examine(tmp_path, collector.http_url, metrics)
        wrong = examine(tmp_path, collector.http_url, {"OTELCOL_METRICS_PORT": "9"})
    with three(tmp_path) as vendors:
        vendors.second.status = 503
        with vendors.collector() as collector:
            spans = Spans(start(endpoint=collector.http_url))
            for _ in range(15):
                spans.send(400)
            wait_until_decided(collector, spans.sent)
            metrics = {"OTELCOL_METRICS_PORT": str(urlsplit(collector.metrics_url).port)}
            full = examine(tmp_path, collector.http_url, metrics)

    told = dict(zip(OF_VENDORS, (wrong, full), strict=True))
    assert [name for name, says in OF_VENDORS.items() if not names(told[name], "queue", says)] == []
    assert (unread["ok"], unread["proven"], wrong["proven"], full["ok"]) == (True, False, False, False)
