"""The long proofs of isolation: ten minutes of a full queue, and kills; results go to docs/evidence."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

import pytest
from fault_rig import Load, Tally, note, own_metric, wait_for_all
from isolation import Spans, count, three, wait_for, wait_until_decided

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from whatsself_otel import Telemetry

pytestmark = [pytest.mark.collector, pytest.mark.proof]

KILLS = 20
SECONDS = 600.0


def test_ten_minutes_of_a_full_queue_cost_the_other_vendors_nothing(
    tmp_path: Path, start: Callable[..., Telemetry]
) -> None:
    with three(tmp_path) as vendors:
        vendors.second.status = 503
        with vendors.collector() as collector:
            spans = Spans(start(endpoint=collector.http_url))
            started_s = time.monotonic()
            while time.monotonic() - started_s < SECONDS:
                spans.send(400)
                time.sleep(2)
            healthy = [wait_for(spans.sent, sink) for sink in (vendors.first, vendors.third)]
            dropped = wait_until_decided(collector, spans.sent)
            refused = own_metric(collector, "otelcol_receiver_refused_spans", receiver="otlp")
            vendors.second.status = 200
            wait_for(int(spans.sent - dropped), vendors.second)
        late = count(spans.sent, vendors.second)

    for name, result in zip(("first", "third"), healthy, strict=True):
        note(f"second of three vendors full for ten minutes: the {name}", result, "the package sends; it dropped none")
    lost = Tally(sent=late.sent, received=late.received, duplicated=late.duplicated, lost=late.lost)
    note("second of three vendors full for ten minutes: the second", lost, f"its gate counted {dropped:.0f} dropped")
    assert [(each.lost, each.duplicated) for each in healthy] == [(0, 0), (0, 0)]
    assert (spans.dropped, refused) == (0, 0)
    assert (late.received + dropped, late.duplicated) == (spans.sent, 0)


@pytest.mark.parametrize("status", [200, 503], ids=["all take", "the second is full"])
def test_twenty_kills_with_gates_lose_nothing_that_was_taken(tmp_path: Path, status: int) -> None:
    load = Load(url="http://127.0.0.1:9", text="x" * 500)
    with three(tmp_path) as vendors:
        vendors.second.status = status
        with load.going_on():
            for _ in range(KILLS):
                with vendors.collector() as collector:
                    load.url = collector.http_url
                    time.sleep(random.uniform(2.0, 8.0))
                    collector.process.kill()
        with vendors.collector():
            sinks = [vendors.first, vendors.third] + [vendors.second] * (status == 200)
            results = [wait_for_all(load, sink) for sink in sinks]

    what = "all take" if status == 200 else "the second is full"
    for name, result in zip(("first", "third", "second"), results, strict=False):
        repeated = f"{result.duplicated / KILLS:.0f} a kill, {result.duplicated / load.accepted:.1%}; 2 to 8 s a life"
        note(f"collector with gates killed {KILLS} times, {what}: the {name}", result, repeated)
    assert load.accepted > KILLS * load.batch
    assert [result.lost for result in results] == [0] * len(results)
    # What a gate or an exporter held when it was killed: a request or two, where each life is a few seconds long.
    assert max(result.duplicated for result in results) < 0.05 * load.accepted
