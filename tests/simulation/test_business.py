"""A simulated business alone: the effects of its phases, as a receiver sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from whatsself_otel.simulation.business import Business, Phase
from whatsself_otel.simulation.run import Simulation
from whatsself_otel.simulation.scenarios import SCENARIOS
from whatsself_otel.stack.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otlp_sink import Sink


@pytest.fixture
def business(sink: Sink) -> Iterator[Business]:
    playing = Business("bakery", sink.url, speed=1)
    playing.start()
    yield playing
    playing.stop()


def count(sink: Sink, business: Business, name: str, **labels: str) -> float:
    """Return the last exported value of a counter, summed over the series with *labels*."""
    providers = business._providers
    assert providers is not None
    assert providers.flush(30)
    last = sink.metrics()[name][-1]

    def value(point: Any) -> float:
        return float(point.as_int or point.as_double)

    return sum(
        value(point)
        for point in last.sum.data_points
        if labels.items() <= {pair.key: pair.value.string_value for pair in point.attributes}.items()
    )


def last(sink: Sink, business: Business, name: str) -> float:
    """Return the last exported value of a gauge."""
    providers = business._providers
    assert providers is not None
    assert providers.flush(30)
    point = sink.metrics()[name][-1].gauge.data_points[0]
    return float(point.as_double or point.as_int)


class TestPhases:
    def test_a_flood_is_one_contacts_and_is_not_answered_beyond_its_pace(self, business: Business, sink: Sink) -> None:
        business.live(4, Phase(minutes=4, what="flood", inbound=0, flood=30, requests=0))

        assert count(sink, business, "messages.inbound") == 120
        assert count(sink, business, "messages.outbound", origin="reply") == 2

    def test_what_is_sent_by_hand_goes_out_at_the_queues_pace(self, business: Business, sink: Sink) -> None:
        business.live(5, Phase(minutes=5, what="by hand", inbound=0, manual=30, requests=0))

        assert count(sink, business, "messages.outbound", origin="manual") == 60

    def test_nothing_goes_out_while_the_session_is_lost(self, business: Business, sink: Sink) -> None:
        phase = Phase(minutes=1, what="lost", event="lose_session", inbound=6, broadcast=5)
        business.begin(phase)
        business.live(1, phase)

        assert count(sink, business, "messages.inbound") == 6
        assert count(sink, business, "messages.outbound") == 0
        assert count(sink, business, "whatsapp.session.disconnects", reason="transient") == 1

    def test_the_age_of_what_waits_is_told_in_the_seconds_of_the_clock_that_rules_look_at(self, sink: Sink) -> None:
        fast = Business("bakery", sink.url, speed=60)
        fast.start()
        phase = Phase(minutes=10, what="lost", event="lose_session", inbound=1)
        fast.begin(phase)
        fast.live(10, phase)

        assert last(sink, fast, "queue.oldest_age") == pytest.approx(9, abs=0.5)
        fast.stop()

    def test_after_its_end_it_does_nothing_and_ends_only_once(self, business: Business, sink: Sink) -> None:
        business.stop()
        exports = len(sink.received)
        business.stop()
        business.live(5, Phase(minutes=5, what="over"))

        assert len(sink.received) == exports


def test_a_scenario_that_stops_the_collector_is_played_alone() -> None:
    nobody: Any = None
    stage = Simulation(stack=nobody, receivers=nobody, speed=60, say=print)
    stopping = next(each for each in SCENARIOS.values() if any(p.event == "stop_collector" for p in each.phases))

    with pytest.raises(CommandError, match="A scenario that stops the collector is played alone"):
        stage.play([SCENARIOS["session-lost"], stopping])
