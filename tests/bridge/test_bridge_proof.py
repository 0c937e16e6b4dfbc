"""Losses and duplicates of a bridge under load, after kills, and while its target is away; short and long form."""

from __future__ import annotations

import os
import random
import signal
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from binaries import ROOT, free_ports
from bridge_load import Gateway, coming_and_going, count, number_of, wait_for_all
from fault_rig import note
from otlp_sink import Sink
from recording_target import Target, recording_target
from running_bridge import start_bridge

PAGE = ROOT / "docs/evidence/bridge.md"
SHORT, LONG = "short", pytest.param("long", marks=pytest.mark.proof)


@pytest.fixture
def target() -> Iterator[Target]:
    with recording_target() as running:
        yield running


@pytest.fixture
def environ(sink: Sink) -> dict[str, str]:
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.url, "OTEL_METRIC_EXPORT_INTERVAL": "1000"}


@pytest.mark.parametrize("form", [SHORT, LONG])
def test_a_hundred_webhooks_a_second_are_neither_lost_nor_doubled(
    form: str, target: Target, sink: Sink, environ: dict[str, str], tmp_path: Path
) -> None:
    total = 200 if form == SHORT else 30_000
    bridge = start_bridge(
        "--provider", "evolution", "--forward", target.url, "--queue", str(tmp_path / "q"), environ=environ
    )
    gateway = Gateway(per_second=100, url=bridge.url, repeats=False)
    began_s = time.monotonic()
    gateway.post(total)
    took_s = time.monotonic() - began_s
    result = wait_for_all(gateway, target, 30)
    assert bridge.end() == 0

    if form != SHORT:
        ordered = sorted(gateway.latencies_s)
        tail = f"{1000 * ordered[int(0.99 * len(ordered))]:.0f} ms at the 99th percentile"
        middle = f"{1000 * statistics.median(ordered):.1f} ms at the median"
        note(
            "100 webhooks a second for five minutes",
            result,
            f"{total} in {took_s:.0f} s; answers: {_shown(gateway)}; {middle}, {tail}; load {os.getloadavg()[0]:.0f}",
            PAGE,
        )
    assert gateway.answers == {"200": total}
    assert (result.received, result.duplicated, result.lost) == (total, 0, 0)
    assert sink.total("messages.inbound") == total
    assert sink.total("webhook.duplicates") == 0


@pytest.mark.parametrize("form", [SHORT, LONG])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["SIGTERM", "SIGKILL"])
def test_what_was_accepted_survives_the_end_of_the_process(
    number: signal.Signals, form: str, target: Target, environ: dict[str, str], tmp_path: Path
) -> None:
    ends = 2 if form == SHORT else 20
    (port,) = free_ports(1)
    arguments = ("--provider", "evolution", "--forward", target.url, "--queue", str(tmp_path / "q"))
    gateway = Gateway(per_second=100, url=f"http://127.0.0.1:{port}")
    with coming_and_going(target), gateway.going_on():
        for _ in range(ends):
            bridge = start_bridge(*arguments, environ=environ, port=port)
            time.sleep(random.uniform(0.5, 2.5))
            bridge.end(number)
    last = start_bridge(*arguments, environ=environ, port=port)
    wait_for_all(gateway, target, 300)
    deadline_s = time.monotonic() + 300
    while (waiting := list((tmp_path / "q").glob("*.request"))) and time.monotonic() < deadline_s:
        time.sleep(0.2)  # what was written and not answered: the gateway has repeated it
    result = count(gateway, target)
    last.end()

    if form != SHORT:
        note(f"{number.name} {ends} times under load", result, f"target away half the time; {_shown(gateway)}", PAGE)
    assert result.sent > (0 if form == SHORT else 50 * ends)  # a busy machine starts the bridge slowly
    assert result.lost == 0
    assert waiting == []


@pytest.mark.parametrize("form", [SHORT, LONG])
def test_a_target_that_is_away_loses_nothing_and_gets_all_in_order(
    form: str, target: Target, environ: dict[str, str], tmp_path: Path
) -> None:
    per_second, away_s = (40, 5) if form == SHORT else (25, 600)
    target.go()
    bridge = start_bridge(
        "--provider", "evolution", "--forward", target.url, "--queue", str(tmp_path / "q"), environ=environ
    )
    gateway = Gateway(per_second=per_second, url=bridge.url, repeats=False)
    gateway.post(per_second * away_s)
    waiting = len(list((tmp_path / "q").glob("*.request")))
    target.come()
    began_s = time.monotonic()
    result = wait_for_all(gateway, target, 600)
    drained_s = time.monotonic() - began_s
    bridge.end()

    if form != SHORT:
        remark = f"{waiting} waited, and came in {drained_s:.0f} s"
        note("target away for ten minutes", result, remark, PAGE)
    assert waiting == per_second * away_s
    assert (result.duplicated, result.lost) == (0, 0)
    come = list(map(number_of, target.bodies))
    # Two that are under way at one moment may be taken in either order.
    assert max(abs(place - number) for place, number in enumerate(come)) < per_second
    assert count(gateway, target) == result


def _shown(gateway: Gateway) -> str:
    return ", ".join(f"{count_} {answer}" for answer, count_ in sorted(gateway.answers.items()))
