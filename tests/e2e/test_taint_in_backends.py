"""The canaries of the taint run, sent through the real collector: no backend has any, in whatever field it may be."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from binaries import need
from otlp_sink import Sink
from stores import Jaeger, Loki, Prometheus, Tempo, VictoriaLogs, everything_of, wait_until_found
from test_taint import TaintRun

from whatsself_otel.stack.addresses import Addresses
from whatsself_otel.stack.native import BUILT
from whatsself_otel.stack.native_stack import Stack, StackConfig

pytestmark = pytest.mark.e2e

LOGS = ("to +55********", "failed for +55********", "gunicorn.error", "uncaught exception in a thread")
TRACES = ("send to +55********", "http.request.header.x-customer", "exception.message")
SHOWN = {
    "victorialogs": LOGS,
    "loki": LOGS,
    "jaeger": TRACES,
    "tempo": TRACES,
    "prometheus": ("shop_sizes_bucket", "note", "telemetry_masked_values_total"),
}
"""What each must have answered, lest nothing was searched."""


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # one door is such a thread
def test_no_canary_is_in_any_backend(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for program in BUILT:
        need(program)
    since_s = time.time()
    with Stack(StackConfig(data=tmp_path, addresses=Addresses.free())) as stack:
        run = TaintRun(Sink(url=stack.addresses.otlp_http), capfd, "own")
        monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", f"host.owner=+{run.canary('resource')}")
        assert run.leaks() == set()
        with ExitStack() as stores:
            answers = dict(_answers(stack, since_s, stores))
            assert {"victorialogs", "jaeger", "prometheus"} <= set(answers)
            wait_until_found(answers, lambda name: [word for word in SHOWN[name] if word not in answers[name]()])
            found = {name: run.canary.leaks(answer().encode()) for name, answer in answers.items()}
        programs = {f"log of {name}": run.canary.leaks(stack.log(name).read_bytes()) for name in stack.processes}

    assert {name: doors for name, doors in (found | programs).items() if doors} == {}


def _answers(stack: Stack, since_s: float, opened: ExitStack) -> Iterator[tuple[str, Callable[[], str]]]:
    """Yield of each store that runs what returns all that it holds."""
    log_stores: tuple[type[VictoriaLogs | Loki], ...] = (VictoriaLogs, Loki)
    for log_store in log_stores:
        if log_store.name in stack.processes:
            logs = log_store(getattr(stack.addresses, log_store.name), since_s)
            opened.enter_context(logs)
            yield logs.name, functools.partial(everything_of, logs)
    others: tuple[type[Jaeger | Tempo | Prometheus], ...] = (Jaeger, Tempo, Prometheus)
    for other in others:
        if other.name in stack.processes:
            store = other(getattr(stack.addresses, other.name), since_s)
            opened.enter_context(store)
            yield store.name, store.everything
