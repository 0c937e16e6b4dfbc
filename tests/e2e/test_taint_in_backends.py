"""The canaries of the taint run, sent through the real collector: no backend has any, in whatever field it may be."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from binaries import need
from otlp_sink import Sink
from stores import Jaeger, Loki, Prometheus, Tempo, wait_until_found
from test_taint import TaintRun

from whatsself_otel.cli.addresses import Addresses
from whatsself_otel.cli.native import BUILT
from whatsself_otel.cli.native_stack import Stack, StackConfig

pytestmark = pytest.mark.e2e

SHOWN = {
    "loki": ("to +55********", "failed for +55********", "gunicorn.error", "uncaught exception in a thread"),
    "jaeger": ("send to +55********", "http.request.header.x-customer", "exception.message"),
    "tempo": ("send to +55********", "http.request.header.x-customer", "exception.message"),
    "prometheus": ("shop_sizes_bucket", "note", "telemetry_masked_values_total"),
}
"""What each must have answered, lest nothing was searched."""


def test_no_canary_is_in_loki_tempo_jaeger_or_prometheus(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for program in BUILT:
        need(program)
    since_s = time.time()
    with Stack(StackConfig(data=tmp_path, addresses=Addresses.free())) as stack:
        run = TaintRun(Sink(url=stack.addresses.otlp_http), capfd, "lean")
        monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", f"host.owner=+{run.canary('resource')}")
        assert run.leaks() == set()
        with (
            Loki(stack.addresses.loki, since_s) as loki,
            Jaeger(stack.addresses.jaeger, since_s) as jaeger,
            Prometheus(stack.addresses.prometheus, since_s) as prometheus,
            ExitStack() as storages,
        ):
            answers = {
                "loki": loki.everything,
                "jaeger": jaeger.everything,
                "prometheus": prometheus.everything,
            }
            if stack.has_tempo:
                tempo = storages.enter_context(Tempo(stack.addresses.tempo, since_s))
                answers["tempo"] = tempo.everything
            wait_until_found(answers, lambda name: [word for word in SHOWN[name] if word not in answers[name]()])
            found = {name: run.canary.leaks(answer().encode()) for name, answer in answers.items()}
        programs = {f"log of {name}": run.canary.leaks(stack.log(name).read_bytes()) for name in stack.processes}

    assert {name: doors for name, doors in (found | programs).items() if doors} == {}
