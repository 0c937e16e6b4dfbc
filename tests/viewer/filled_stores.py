"""Every store that the page can show, with the same messages in it."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from parts import PROTOBUF, Client, counter, histogram, trace_id
from telling import DAYS, business, days_of_a_contact

from whatsself_otel.stack import native
from whatsself_otel.stack.addresses import Addresses
from whatsself_otel.stack.native_stack import Stack, StackConfig
from whatsself_otel.viewer import stack_source
from whatsself_otel.viewer.backends import find_backends
from whatsself_otel.viewer.server import Viewer, ViewerConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MESSAGES = 12
SMALL_STEP = 5
"""Traces that a store is asked for at once: every list takes several windows of time."""
WITHIN_S = 60.0
AGES = ((40, 0.0), (20, 4.0), (0, 9.0))
SIGNALS = {"Trace": "traces", "Logs": "logs", "Metrics": "metrics"}


def takes_late_data(store: str) -> bool:
    """Return whether *store* takes data that is over a day old: the files of Loki and Tempo forbid it."""
    return store == "own" or all(native.find_binary(name) is None for name in ("loki", "tempo"))


def skip_unless_it_takes_late_data(store: str) -> None:
    """Skip a test of several days where they cannot be put into *store* afterwards."""
    if not takes_late_data(store):
        pytest.skip("Loki and Tempo take nothing that is over a day late: days cannot be filled in afterwards")


@contextmanager
def own(_folder: Path) -> Iterator[Viewer]:
    """The viewer's own store."""
    with Viewer() as viewer:
        _send(viewer.url, days_of_a_contact())
        yield viewer


@contextmanager
def stack(folder: Path) -> Iterator[Viewer]:
    """Prometheus, a log store and a trace store, filled through the collector and asked in small steps."""
    if absent := native.missing():
        pytest.skip(f"Not on this machine: {', '.join(absent)}. {native.remedy(absent[0])}")
    with ExitStack() as held, pytest.MonkeyPatch.context() as patch:
        patch.setattr(stack_source, "_TRACES", SMALL_STEP)
        running = held.enter_context(Stack(StackConfig(data=folder, addresses=Addresses.free())))
        days = days_of_a_contact() if takes_late_data("stack") else []
        count = MESSAGES + (len(DAYS) if days else 0)
        _send(running.addresses.otlp_http, days)
        backends = find_backends(running.addresses)
        config = ViewerConfig(backends=backends, send_to=running.addresses.otlp_http)
        _wait(lambda: _has(config, count))
        viewer = held.enter_context(Viewer(config))
        with Client(viewer) as client:
            _wait(lambda: len(client.get("/api/logs")["logs"]) == 2 * count)
            _wait(lambda: bool(client.get("/api/metrics?window_s=300")["metrics"]))
        yield viewer


def _has(config: ViewerConfig, count: int) -> bool:
    """Ask through a new viewer: a viewer remembers its answers for minutes, and these traces are old."""
    with Viewer(config) as viewer, Client(viewer) as client:
        return len(client.get("/api/traces")["traces"]) == count


def _send(url: str, days: list[Any]) -> None:
    now_s = time.time()
    metrics = [counter("messages.outbound", value, at_s=now_s - age_s, origin="reply") for age_s, value in AGES]
    metrics += [histogram("first_response.latency", [int(value), 0], [120.0], at_s=now_s - age) for age, value in AGES]
    exemplar = metrics[-1].resource_metrics[0].scope_metrics[0].metrics[0].histogram.data_points[0].exemplars.add()
    exemplar.trace_id, exemplar.as_double = bytes.fromhex(trace_id(3)), 1.0
    exemplar.time_unix_nano = int(now_s * 1e9)
    for request in (*business(MESSAGES), *days, *metrics):
        kind = type(request).__name__
        signal = next(path for word, path in SIGNALS.items() if word in kind)
        answer = httpx.post(
            f"{url}/v1/{signal}", content=request.SerializeToString(), headers=PROTOBUF, trust_env=False, timeout=30
        )
        assert answer.status_code == httpx.codes.OK, answer.text


def _wait(is_there: Callable[[], bool]) -> None:
    end_s = time.monotonic() + WITHIN_S
    while not is_there():
        assert time.monotonic() < end_s, f"not there within {WITHIN_S:g} s"
        time.sleep(1)


STORES = {"own": own, "stack": stack}
