"""Proofs with the package as sender: an oversized item in every position, and deltas through three gateways."""

from __future__ import annotations

import logging
import time
from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from binaries import run_collector
from fault_rig import QUICK, Tally, note
from otlp_sink import run_sink
from test_gateways import DELTA, agent_file, in_turns, sent_deltas

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from otlp_sink import Sink

    from whatsself_otel import Telemetry

pytestmark = [pytest.mark.collector, pytest.mark.proof]

PLACES = 41
ROUNDS = 60
COUNT = 50
LARGE = {f"note{number}": "x" * 50_000 for number in range(20)}
"""Each text is cut, to 32 kB in a log; it is the whole that no backend takes."""


def write(telemetry: Telemetry, signal: str, batch: int, place: int) -> None:
    """Write one item; in each batch that of another place is the large one."""
    attributes: dict[str, Any] = {"batch": batch, "place": place, **(LARGE if batch == place else {})}
    if signal == "traces":
        telemetry.tracer.start_span("item", attributes=attributes).end()
    elif signal == "logs":
        logging.getLogger("whatsself.places").warning("item", extra=attributes)
    else:
        telemetry.meter_provider.get_meter("places").create_counter(f"item.{batch}").add(1, attributes)


def found(sink: Sink, signal: str) -> Counter[tuple[int, int]]:
    """Return how often each item came; of a counter, whose value is sent again and again, whether it came."""
    if signal == "traces":
        return Counter((span.attributes["batch"], span.attributes["place"]) for span in sink.spans())
    if signal == "logs":
        return Counter((log.attributes["batch"], log.attributes["place"]) for log in sink.logs() if log.body == "item")
    points = [
        {each.key: each.value.int_value for each in point.attributes}
        for name, metrics in sink.metrics().items()
        if name.startswith("item.")
        for metric in metrics
        for point in metric.sum.data_points
    ]
    return Counter({(point["batch"], point["place"]): 1 for point in points})


@pytest.mark.parametrize("signal", ["traces", "logs", "metrics"])
def test_an_oversized_item_in_every_position_costs_its_neighbours_nothing(
    sink: Sink, start: Callable[..., Telemetry], signal: str
) -> None:
    all_places = {(batch, place) for batch in range(PLACES) for place in range(PLACES)}
    with run_collector("otlp", environ={"OTLP_ENDPOINT": sink.url}, settings=QUICK) as collector:
        telemetry = start(endpoint=collector.http_url, metric_interval_s=600)
        for batch in range(PLACES):
            for place in range(PLACES):
                write(telemetry, signal, batch, place)
            if signal != "metrics":
                assert telemetry.force_flush(timeout_s=30)
        assert telemetry.force_flush(timeout_s=60)
        wanted = len(all_places) - PLACES
        sink.wait_for(lambda sink: len(found(sink, signal)) >= wanted, 60)
        assert telemetry.force_flush(timeout_s=60)
        time.sleep(1)
        dropped = sink.total("telemetry.dropped_items", signal=signal, reason="too_large")
        came = found(sink, signal)

    tally = Tally(sent=len(all_places), received=len(came), duplicated=came.total() - len(came), lost=PLACES)
    note(
        f"oversized in each of {PLACES} places, {signal}", tally, f"the package sends; {dropped:.0f} counted too_large"
    )
    assert set(came) == {each for each in all_places if each[0] != each[1]}
    assert came.total() == len(came)
    assert dropped >= PLACES


def test_three_gateways_give_two_vendors_of_deltas_each_increase_once(
    tmp_path: Path, start: Callable[..., Telemetry]
) -> None:
    quick = "connectors::span_metrics::metrics_flush_interval: 1h"
    with ExitStack() as stack:
        vendors = [stack.enter_context(run_sink()) for _ in range(2)]
        environ = {
            "DD_API_KEY": "k",
            "DD_OTLP_ENDPOINT": vendors[0].url,
            "DYNATRACE_OTLP_ENDPOINT": vendors[1].url,
            "DYNATRACE_API_TOKEN": "k",
        }
        gateways = [
            stack.enter_context(run_collector("datadog", "dynatrace", environ=environ, settings=[quick]))
            for _ in range(3)
        ]
        balancer = stack.enter_context(in_turns([each.http_url for each in gateways]))
        files = [agent_file(tmp_path), DELTA]
        agent = stack.enter_context(run_collector(environ={"OTLP_ENDPOINT": balancer}, settings=[quick], files=files))
        telemetry = start(endpoint=agent.http_url, metric_interval_s=600)
        for _ in range(ROUNDS):
            for _ in range(COUNT):
                telemetry.metrics.message_sent(origin="reply")
            assert telemetry.force_flush(timeout_s=30)
            time.sleep(0.3)
        telemetry.shutdown()
        for vendor in vendors:
            vendor.wait_for(lambda sink: sent_deltas(sink) >= ROUNDS * COUNT, 30)
        time.sleep(2)
        sums = [int(sent_deltas(vendor)) for vendor in vendors]

    for name, came in zip(("datadog", "dynatrace"), sums, strict=True):
        sent = ROUNDS * COUNT
        tally = Tally(sent=sent, received=min(came, sent), duplicated=max(0, came - sent), lost=max(0, sent - came))
        note(f"counted through three gateways: {name}", tally, f"deltas of an agent, {ROUNDS} exports by the package")
    assert sums == [ROUNDS * COUNT] * 2
