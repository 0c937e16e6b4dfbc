"""The domain's recording methods: what each records, and that none ever hurts its caller."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import threading
import time
import warnings
import weakref
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from readings import labels, read_points, read_values
from rows import for_each

from whatsself_otel import catalogue
from whatsself_otel.catalogue import METRICS, OTHER, OVERFLOW, SESSION_STATE
from whatsself_otel.errors import ConfigError
from whatsself_otel.metrics.cardinality import BoundedMeterProvider
from whatsself_otel.metrics.recording import MAX_LABEL_LENGTH, WhatsSelfMetrics
from whatsself_otel.metrics.state import MetricsConfig
from whatsself_otel.whatsapp.error_codes import FAULTS

if TYPE_CHECKING:
    from collections.abc import Callable

T0 = 1_795_000_000.0
USUAL: dict[str, dict[str, str]] = {
    "messages.outbound": {"session": "main"},
    "messages.outbound.failed": {"session": "main", "stage": "send"},
    "messages.inbound": {"session": "main"},
    "messages.delivered": {"session": "main"},
}


class Bench:
    """Instruments, their reader, and a clock that stands until it is moved."""

    def __init__(self, **options: Any) -> None:
        self.now_s = T0
        self.reader = InMemoryMetricReader()
        self.provider = BoundedMeterProvider([self.reader], shutdown_on_exit=False)
        config = MetricsConfig(**options)
        self.metrics = WhatsSelfMetrics(self.provider.get_meter("whatsself_otel"), clock=self.clock, config=config)

    def clock(self) -> float:
        return self.now_s

    def values(self) -> dict[str, dict[Any, Any]]:
        return read_values(self.reader)

    def value(self, name: str, **attributes: Any) -> Any:
        return self.values().get(name, {}).get(self.whole(name, attributes))

    def whole(self, name: str, attributes: dict[str, Any]) -> Any:
        """Return the labels of a series: the session is `main`, fault and stage the usual ones, unless given."""
        usual = USUAL.get(name, {})
        if name == "messages.outbound.failed":
            usual = {**usual, "fault": FAULTS[attributes["reason"]]}
        return labels(**{**usual, **attributes})


@pytest.fixture
def bench() -> Bench:
    return Bench()


class TestAtTheStart:
    def test_every_counter_of_known_attributes_exists_at_zero(self, bench: Bench) -> None:
        values = bench.values()
        for spec in (
            catalogue.MESSAGES_OUTBOUND,
            catalogue.MESSAGES_INBOUND,
            catalogue.MESSAGES_DELIVERED,
            catalogue.MESSAGES_BILLABLE,
            catalogue.CONTACT_CONSENT,
            catalogue.TELEMETRY_ERRORS,
        ):
            attribute = spec.attributes[0]
            known = [bench.whole(spec.name, {attribute.name: value}) for value in attribute.values]
            assert values[spec.name] == dict.fromkeys(known, 0)
        assert values["messages.outbound.failed"] == {
            bench.whole("messages.outbound.failed", {"reason": reason, "stage": stage}): 0
            for reason in catalogue.FAILURE_REASON.values
            for stage in catalogue.FAILURE_STAGE.values
        }
        assert values["first_response.unanswered"] == {(): 0}
        assert len(values["telemetry.dropped_items"]) == len(catalogue.SIGNAL.values) * len(
            catalogue.DROP_REASON.values
        )

    def test_a_ratio_of_nothing_is_not_exported_and_a_fail_rate_is_zero(self, bench: Bench) -> None:
        assert "delivery.success_ratio" not in bench.values()
        assert bench.value("cb.fail_rate.window") == 0

    def test_no_instrument_is_spelled_outside_the_catalogue(self, bench: Bench) -> None:
        assert set(bench.values()) <= {spec.name for spec in METRICS}


class TestMessages:
    def test_a_failure_is_a_finished_attempt_too(self, bench: Bench) -> None:
        bench.metrics.message_sent(origin="reply")
        bench.metrics.message_failed(reason="timeout", origin="broadcast")
        assert bench.value("messages.outbound", origin="reply") == 1
        assert bench.value("messages.outbound", origin="broadcast") == 1
        assert bench.value("messages.outbound.failed", reason="timeout") == 1

    def test_success_ratio_is_one_minus_failed_by_outbound_over_a_day(self, bench: Bench) -> None:
        for _ in range(3):
            bench.metrics.message_sent(origin="reply")
        bench.metrics.message_failed(reason="network")
        assert bench.value("delivery.success_ratio") == 0.75
        bench.now_s += 86_400
        bench.metrics.message_sent(origin="reply")
        assert bench.value("delivery.success_ratio") == 1

    def test_rates_count_attempts_in_their_windows(self, bench: Bench) -> None:
        for contact in ("a", "a", "b"):
            bench.metrics.message_sent(origin="reply", contact_id=contact)
        bench.metrics.message_failed(contact_id="b")
        bench.metrics.message_failed(contact_id="b")
        assert bench.value("rate.global_per_min") == 5
        assert bench.value("rate.per_contact_per_5min") == 3
        bench.now_s += 60
        assert bench.value("rate.global_per_min") == 0
        assert bench.value("rate.per_contact_per_5min") == 3
        bench.now_s += 240
        assert bench.value("rate.per_contact_per_5min") == 0

    def test_fail_rate_covers_the_breakers_window(self, bench: Bench) -> None:
        bench.metrics.message_failed()
        bench.now_s += 299
        bench.metrics.message_sent()
        assert bench.value("cb.fail_rate.window") == 0.5
        bench.now_s += 1
        assert bench.value("cb.fail_rate.window") == 0

    def test_inbound_shows_the_busiest_contact_without_naming_it(self, bench: Bench) -> None:
        for _ in range(7):
            bench.metrics.message_inbound(kind="text", contact_id="flooder")
        bench.metrics.message_inbound(kind="image", contact_id="quiet")
        values = bench.values()
        assert values["contact.inbound_max_5m"] == {(): 7}
        assert bench.value("messages.inbound", kind="image") == 1
        assert "flooder" not in str(values)

    def test_survive_a_clock_that_steps_back_a_day(self, bench: Bench) -> None:
        bench.metrics.message_sent()
        bench.now_s -= 86_400
        bench.metrics.message_sent()
        assert bench.value("rate.global_per_min") == 2
        bench.now_s += 60
        assert bench.value("rate.global_per_min") == 0

    def test_acknowledgements_and_consent_are_counted(self, bench: Bench) -> None:
        bench.metrics.message_delivered(status="read")
        bench.metrics.consent(action="opt_out")
        assert bench.value("messages.delivered", status="read") == 1
        assert bench.value("contact.consent", action="opt_out") == 1


class TestFirstResponse:
    def test_is_timed_from_the_first_unanswered_message(self, bench: Bench) -> None:
        bench.metrics.message_inbound(contact_id="a")
        bench.now_s += 10
        bench.metrics.message_inbound(contact_id="a")
        bench.now_s += 10
        bench.metrics.message_sent(origin="reply", contact_id="a")
        bench.metrics.message_sent(origin="reply", contact_id="a")
        assert bench.value("first_response.latency") == (1, 20)

    def test_exactly_at_the_deadline_is_in_time(self, bench: Bench) -> None:
        bench.metrics.message_inbound(contact_id="a")
        bench.now_s += 120
        bench.metrics.message_sent(origin="reply", contact_id="a")
        assert bench.value("first_response.unanswered") == 0
        point = read_points(bench.reader.get_metrics_data())["first_response.latency"][()]
        bounds = list(point.explicit_bounds)
        assert sum(point.bucket_counts[: bounds.index(120) + 1]) == 1
        assert sum(point.bucket_counts[: bounds.index(90) + 1]) == 0

    def test_silence_is_counted_once_without_any_further_event(self, bench: Bench) -> None:
        bench.metrics.message_inbound(contact_id="a")
        bench.now_s += 120.5
        assert bench.value("first_response.unanswered") == 1
        bench.now_s += 1000
        assert bench.value("first_response.unanswered") == 1

    def test_a_late_answer_is_both_unanswered_in_time_and_in_the_histogram(self, bench: Bench) -> None:
        bench.metrics.message_inbound(contact_id="a")
        bench.now_s += 500
        bench.metrics.message_sent(origin="reply", contact_id="a")
        assert bench.value("first_response.latency") == (1, 500)
        assert bench.value("first_response.unanswered") == 1

    def test_a_broadcast_is_no_answer_and_a_person_is(self, bench: Bench) -> None:
        bench.metrics.message_inbound(contact_id="a")
        bench.now_s += 1
        bench.metrics.message_sent(origin="broadcast", contact_id="a")
        assert bench.value("first_response.latency") is None
        bench.metrics.message_sent(origin="manual", contact_id="a")
        assert bench.value("first_response.latency") == (1, 1)

    def test_a_failed_reply_leaves_the_contact_waiting(self, bench: Bench) -> None:
        bench.metrics.message_inbound(contact_id="a")
        bench.metrics.message_failed(reason="network", contact_id="a")
        bench.now_s += 121
        assert bench.value("first_response.unanswered") == 1

    def test_no_wait_begins_where_no_reply_is_due(self, bench: Bench) -> None:
        bench.metrics.message_inbound(contact_id="a", expects_reply=False)
        bench.now_s += 1000
        assert bench.value("first_response.unanswered") == 0

    def test_can_be_recorded_by_a_process_that_only_replies(self) -> None:
        bench = Bench(track_first_response=False)
        bench.metrics.message_inbound(contact_id="a")
        bench.now_s += 1000
        bench.metrics.first_response(7.5)
        bench.metrics.first_response_unanswered()
        assert bench.value("first_response.latency") == (1, 7.5)
        assert bench.value("first_response.unanswered") == 1

    def test_waits_are_bounded_and_the_excess_is_counted(self) -> None:
        bench = Bench(tracked_contacts=3)
        for number in range(5):
            bench.metrics.message_inbound(contact_id=f"c{number}")
        assert bench.value("telemetry.dropped_items", signal="metrics", reason="tracking_limit") == 2
        bench.now_s += 301
        assert bench.value("first_response.unanswered") == 3
        bench.metrics.message_inbound(contact_id="c9")
        assert bench.value("telemetry.dropped_items", signal="metrics", reason="tracking_limit") == 3
        bench.metrics.message_sent(contact_id="c9")
        assert bench.value("first_response.latency") == (1, 0)

    def test_contacts_past_the_limit_are_sent_to_and_not_tracked_which_is_counted(self) -> None:
        bench = Bench(tracked_contacts=2)
        for number in range(3):
            bench.metrics.message_sent(contact_id=f"c{number}")
        assert bench.value("telemetry.dropped_items", signal="metrics", reason="tracking_limit") == 1
        bench.metrics.message_failed(contact_id="c3")
        assert bench.value("telemetry.dropped_items", signal="metrics", reason="tracking_limit") == 2
        assert bench.value("messages.outbound", origin="reply") == 4

    def test_breakers_past_the_limit_are_not_tracked_which_is_counted(self) -> None:
        bench = Bench(tracked_contacts=2)
        for number in range(3):
            bench.metrics.breaker_state("open", contact_id=f"c{number}")
        assert bench.value("cb.contacts", state="open") == 2
        assert bench.value("telemetry.dropped_items", signal="metrics", reason="tracking_limit") == 1

    def test_a_count_below_zero_is_no_count(self, bench: Bench) -> None:
        bench.metrics.masked("phone", 3)
        bench.metrics.masked("phone", -1)
        assert bench.value("telemetry.masked_values", rule="phone") == 3

    def test_after_a_day_even_a_late_answer_is_no_first_response(self, bench: Bench) -> None:
        bench.metrics.message_inbound(contact_id="a")
        bench.now_s += 86_401
        bench.metrics.message_sent(contact_id="a")
        assert bench.value("first_response.latency") is None
        assert bench.value("first_response.unanswered") == 1

    @given(st.lists(st.tuples(st.sampled_from(["in", "out", "wait"]), st.sampled_from("abc"), st.floats(0, 200))))
    def test_unanswered_is_every_wait_past_the_deadline(self, events: list[tuple[str, str, float]]) -> None:
        bench = Bench()
        started: dict[str, float] = {}
        latencies: list[float] = []
        for verb, contact, seconds in events:
            bench.now_s += seconds
            if verb == "in":
                bench.metrics.message_inbound(contact_id=contact)
                started.setdefault(contact, bench.now_s)
            elif verb == "out":
                bench.metrics.message_sent(contact_id=contact)
                if contact in started:
                    latencies.append(bench.now_s - started.pop(contact))
        waits = latencies + [bench.now_s - since for since in started.values()]
        values = bench.values()
        assert values["first_response.unanswered"] == {(): sum(1 for wait in waits if wait > 120)}
        assert values.get("first_response.latency", {}).get((), (0, 0))[0] == len(latencies)


class TestTriggersAndFlows:
    def test_are_counted_by_their_ids(self, bench: Bench) -> None:
        bench.metrics.trigger_hit(trigger_id="welcome")
        bench.metrics.flow_started(flow_id="f1")
        bench.metrics.flow_auto_step(flow_id="f1")
        bench.metrics.flow_step_entered(flow_id="f1", step_key="ask")
        bench.metrics.flow_step_completed(flow_id="f1", step_key="ask")
        assert bench.value("trigger.hits", triggerId="welcome") == 1
        assert bench.value("flow.started", flowId="f1") == 1
        assert bench.value("flow.auto_steps", flowId="f1") == 1
        assert bench.value("flow.step_entered", flowId="f1", stepKey="ask") == 1
        assert bench.value("flow.step_completed", flowId="f1", stepKey="ask") == 1

    def test_an_id_that_is_a_phone_is_masked_and_a_long_one_cut(self, bench: Bench) -> None:
        bench.metrics.trigger_hit(trigger_id="+5511999991234")
        bench.metrics.flow_started(flow_id="x" * 1000)
        bench.metrics.flow_started(flow_id="")
        values = bench.values()
        assert "999991234" not in str(values)
        assert set(values["flow.started"]) == {labels(flowId="x" * MAX_LABEL_LENGTH), labels(flowId=OTHER)}


class TestSession:
    def test_exports_every_state_with_one_of_them_set(self, bench: Bench) -> None:
        bench.metrics.session_state(session="main", state="starting")
        states = bench.values()["whatsapp.session.state"]
        assert states == {labels(session="main", state=s): int(s == "starting") for s in SESSION_STATE.values}
        assert bench.value("whatsapp.session.connected", session="main") == 0

    def test_a_loss_is_counted_dated_and_timed_until_recovery(self, bench: Bench) -> None:
        bench.metrics.session_state(session="main", state="connected")
        assert bench.value("whatsapp.session.down_since_timestamp", session="main") == 0
        bench.now_s += 100
        bench.metrics.session_disconnected(session="main", reason="transient")
        assert bench.value("whatsapp.session.disconnects", session="main", reason="transient") == 1
        assert bench.value("whatsapp.session.disconnects", session="main", reason="banned") == 0
        assert bench.value("whatsapp.session.state", session="main", state="disconnected") == 1
        assert bench.value("whatsapp.session.down_since_timestamp", session="main") == T0 + 100
        bench.now_s += 45
        bench.metrics.session_state(session="main", state="starting")
        bench.metrics.session_state(session="main", state="connected")
        bench.metrics.session_state(session="main", state="connected")
        assert bench.value("whatsapp.session.recovery", session="main") == (1, 45)
        assert bench.value("whatsapp.session.down_since_timestamp", session="main") == 0
        assert bench.value("whatsapp.session.connected", session="main") == 1

    def test_the_first_connection_is_no_recovery_but_the_time_before_it_is_down(self, bench: Bench) -> None:
        bench.metrics.session_state(session="main", state="starting")
        assert bench.value("whatsapp.session.down_since_timestamp", session="main") == T0
        bench.metrics.session_state(session="main", state="connected")
        assert "whatsapp.session.recovery" not in bench.values()

    def test_a_qr_code_waits_until_the_state_changes_and_is_not_connected(self, bench: Bench) -> None:
        bench.metrics.session_state(session="main", state="connected")
        bench.metrics.qr_issued(session="main")
        assert bench.value("whatsapp.qr.issued_timestamp", session="main") == T0
        assert bench.value("whatsapp.session.connected", session="main") == 0
        bench.metrics.session_state(session="main", state="connected")
        assert bench.value("whatsapp.qr.issued_timestamp", session="main") == 0

    def test_logging_out_is_a_state_of_its_own(self, bench: Bench) -> None:
        bench.metrics.session_disconnected(session="main", reason="logged_out")
        assert bench.value("whatsapp.session.state", session="main", state="logged_out") == 1

    def test_sessions_are_bounded(self) -> None:
        bench = Bench(tracked_sessions=2)
        for number in range(5):
            bench.metrics.session_disconnected(session=f"s{number}", reason="restart")
            bench.metrics.qr_issued(session=f"s{number}")
        assert len(bench.values()["whatsapp.session.connected"]) == 2
        assert bench.value("telemetry.dropped_items", signal="metrics", reason="tracking_limit") == 6


class TestBreaker:
    def test_the_global_one_is_zero_one_two(self, bench: Bench) -> None:
        seen = [bench.value("cb.state.global")]
        for state in ("half_open", "open", "closed"):
            bench.metrics.breaker_state(state)
            seen.append(bench.value("cb.state.global"))
        assert seen == [0, 1, 2, 0]

    def test_a_contact_has_a_series_only_while_it_is_not_closed(self, bench: Bench) -> None:
        bench.metrics.breaker_state("open", contact_id="a")
        bench.metrics.breaker_state("half_open", contact_id="b")
        assert bench.values()["cb.state.contact"] == {labels(contactId="a"): 2, labels(contactId="b"): 1}
        assert bench.values()["cb.contacts"] == {labels(state="open"): 1, labels(state="half_open"): 1}
        bench.metrics.breaker_state("closed", contact_id="a")
        bench.metrics.breaker_state("closed", contact_id="b")
        assert "cb.state.contact" not in bench.values()
        assert bench.value("cb.contacts", state="open") == 0

    def test_past_the_cap_contacts_share_the_overflow_series(self) -> None:
        bench = Bench(breaker_contacts_shown=2)
        for number, state in enumerate(("half_open", "half_open", "half_open", "open")):
            bench.metrics.breaker_state(state, contact_id=f"c{number}")
        series = bench.values()["cb.state.contact"]
        assert series == {labels(contactId="c0"): 1, labels(contactId="c1"): 1, ((OVERFLOW, True),): 2}
        assert bench.value("cb.contacts", state="half_open") == 3

    def test_an_unknown_state_changes_nothing_and_is_counted(self, bench: Bench) -> None:
        bench.metrics.breaker_state("open")
        bench.metrics.breaker_state("melted")
        assert bench.value("cb.state.global") == 2
        assert bench.value("telemetry.errors", component="unknown_value") == 1

    def test_contacts_that_come_and_go_leave_nothing_behind(self) -> None:
        bench = Bench(breaker_contacts_shown=5000, tracked_contacts=10)
        for number in range(500):
            bench.metrics.breaker_state("open", contact_id=f"c{number}")
            bench.values()
            bench.metrics.breaker_state("closed", contact_id=f"c{number}")
        (storage,) = bench.provider._measurement_consumer._reader_storages.values()
        (match,) = next(
            matches
            for instrument, matches in storage._instrument_view_instrument_matches.items()
            if instrument.name == "cb.state.contact"
        )
        assert len(match._attributes_aggregation) <= 1


class TestQueue:
    def test_is_read_through_the_applications_callbacks(self, bench: Bench) -> None:
        bench.metrics.observe_queue(depth=lambda: 42, oldest_age=lambda: 3.5)
        assert bench.value("queue.depth") == 42
        assert bench.value("queue.oldest_age") == 3.5

    async def never(self) -> float:
        return 1.0

    @for_each(
        "nonsense",
        [float("nan"), float("inf"), -1, None, "12", True, object(), [1]],
        ids=["nan", "inf", "negative", "none", "text", "bool", "object", "list"],
    )
    def test_nonsense_is_skipped_and_counted(self, nonsense: Any) -> None:
        bench = Bench()
        bench.metrics.observe_queue(depth=lambda: nonsense, oldest_age=lambda: 3.5)
        values = bench.values()
        assert "queue.depth" not in values
        assert values["queue.oldest_age"] == {(): 3.5}
        assert values["telemetry.errors"][labels(component="callback")] == 1

    def test_a_coroutine_function_is_skipped_without_a_warning(self, bench: Bench) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            gc.collect()  # what earlier tests left unclosed is not this one's
        bench.metrics.observe_queue(depth=self.never)  # type: ignore[arg-type]
        assert "queue.depth" not in bench.values()
        gc.collect()

    def test_one_that_raises_does_not_hurt_the_rest(self, bench: Bench) -> None:
        def broken() -> float:
            raise SystemError

        bench.metrics.observe_queue(depth=broken)
        bench.metrics.message_sent()
        assert bench.value("rate.global_per_min") == 1

    def test_one_that_blocks_costs_one_thread_and_no_other_metric(self) -> None:
        bench = Bench(callback_timeout_s=0.05)
        release = threading.Event()
        calls: list[float] = []

        def blocked() -> float:
            calls.append(1)
            release.wait(30)
            return 5

        bench.metrics.observe_queue(depth=blocked)
        for _ in range(3):
            assert "queue.depth" not in bench.values()
            assert bench.value("cb.state.global") == 0
        assert len(calls) == 1
        release.set()
        for thread in threading.enumerate():
            if thread.name == "whatsself-observer":
                thread.join(5)
        assert bench.value("queue.depth") == 5


class TestClosedSets:
    @for_each(
        "call, name, attribute",
        [
            (lambda m: m.message_sent(origin="??"), "messages.outbound", "origin"),
            (lambda m: m.message_failed(reason="??"), "messages.outbound.failed", "reason"),
            (lambda m: m.message_inbound(kind="??"), "messages.inbound", "kind"),
            (lambda m: m.message_delivered(status="??"), "messages.delivered", "status"),
            (lambda m: m.consent(action="??"), "contact.consent", "action"),
        ],
    )
    def test_an_unknown_value_becomes_other_and_is_counted(
        self, call: Callable[[WhatsSelfMetrics], None], name: str, attribute: str
    ) -> None:
        bench = Bench()
        call(bench.metrics)
        assert bench.value(name, **{attribute: OTHER}) == 1
        assert bench.value("telemetry.errors", component="unknown_value") == 1

    def test_an_unknown_session_state_or_reason_too(self, bench: Bench) -> None:
        bench.metrics.session_state(session="main", state="??")
        bench.metrics.session_disconnected(session="main", reason="??")
        assert bench.value("whatsapp.session.disconnects", session="main", reason=OTHER) == 1
        assert bench.value("telemetry.errors", component="unknown_value") == 2

    def test_it_is_said_once_and_without_the_value(self, bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.WARNING):
            for _ in range(3):
                bench.metrics.message_sent(origin="+5511999991234")
        assert len(caplog.records) == 1
        assert "origin" in caplog.text
        assert "999991234" not in caplog.text


class TestTelemetryOfTelemetry:
    def test_masked_dropped_and_errors_are_counted(self, bench: Bench) -> None:
        bench.metrics.masked("phone", 3)
        bench.metrics.masked("phone")
        bench.metrics.dropped("traces", "queue_full", 2)
        bench.metrics.error("logs")
        bench.metrics.error("no such part")
        assert bench.value("telemetry.masked_values", rule="phone") == 4
        assert bench.value("telemetry.dropped_items", signal="traces", reason="queue_full") == 2
        assert bench.value("telemetry.errors", component="logs") == 1
        assert bench.value("telemetry.errors", component=OTHER) == 1

    def test_rules_without_end_share_the_overflow_series(self, bench: Bench) -> None:
        for number in range(1000):
            bench.metrics.masked(f"rule-{number}")
        series = bench.values()["telemetry.masked_values"]
        assert len(series) == 201
        assert series[((OVERFLOW, True),)] == 800


class TestTheApplicationNeverSuffers:
    @for_each(
        "call",
        [
            lambda m: m.message_sent("reply"),
            lambda m: m.message_sent(origin=[]),
            lambda m: m.message_sent(contact_id=[]),
            lambda m: m.message_inbound(contact_id={}),
            lambda m: m.message_failed(reason={}),
            lambda m: m.first_response("soon"),
            lambda m: m.trigger_hit(),
            lambda m: m.trigger_hit(trigger_id=[]),
            lambda m: m.session_state(session=None, state=None),
            lambda m: m.breaker_state([]),
            lambda m: m.masked("phone", "many"),
            lambda m: m.error([]),
            lambda m: m.observe_queue(depths=1),
        ],
    )
    def test_by_any_wrong_call(self, call: Callable[[Any], None]) -> None:
        bench = Bench()
        call(bench.metrics)
        assert bench.value("cb.state.global") == 0

    def test_a_wrong_call_is_counted_and_said_once(self, bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
        wrong: Any = bench.metrics
        with caplog.at_level(logging.WARNING):
            wrong.trigger_hit(trigger="x")
            wrong.trigger_hit(trigger="x")
        assert bench.value("telemetry.errors", component="metrics") == 2
        assert len(caplog.records) == 1
        assert "trigger_hit" in caplog.text

    def test_by_an_identifier_function_that_raises(self) -> None:
        reader = InMemoryMetricReader()
        provider = BoundedMeterProvider([reader], shutdown_on_exit=False)

        def broken(_: str) -> str:
            raise RuntimeError

        metrics = WhatsSelfMetrics(provider.get_meter("x"), identifier=broken)
        metrics.breaker_state("open", contact_id="a")
        metrics.trigger_hit(trigger_id="a")
        values = read_values(reader)
        assert values["cb.state.global"] == {(): 0}
        assert "cb.state.contact" not in values

    def test_by_many_threads_at_once_and_no_event_is_lost(self, bench: Bench) -> None:
        def work() -> None:
            for number in range(500):
                bench.metrics.message_inbound(contact_id=f"c{number % 7}")
                bench.metrics.message_sent(contact_id=f"c{number % 7}")

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert bench.value("messages.outbound", origin="reply") == 2000
        assert bench.value("rate.global_per_min") == 2000

    def test_by_a_finalizer_that_counts_while_this_thread_counts(self, bench: Bench) -> None:
        with bench.metrics._state.lock, bench.metrics._masked._lock:
            bench.metrics.masked("phone")
            bench.metrics.message_sent(contact_id="a")
        assert bench.value("telemetry.masked_values", rule="phone") == 1

    def test_dropping_the_instruments_frees_them(self) -> None:
        bench = Bench()
        gone = weakref.ref(bench.metrics)
        del bench
        gc.collect()
        assert gone() is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
class TestFork:
    @pytest.fixture
    def in_child(self) -> Callable[[Callable[[], bool]], bool]:
        def run(check: Callable[[], bool]) -> bool:
            pid = os.fork()
            if pid == 0:
                signal.alarm(20)  # a child that waits for a lock for ever fails the test instead
                code = 1
                try:
                    code = 0 if check() else 1
                finally:
                    os._exit(code)
            return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0

        return run

    def test_a_child_starts_at_zero_and_the_parent_goes_on(
        self, bench: Bench, in_child: Callable[[Callable[[], bool]], bool]
    ) -> None:
        for _ in range(5):
            bench.metrics.message_sent(contact_id="a")
        bench.metrics.message_inbound(contact_id="a")
        bench.metrics.error("logs")
        bench.metrics.session_state(session="main", state="connected")

        def check() -> bool:
            bench.metrics.message_sent(contact_id="a")
            values = bench.values()
            return (
                values["messages.outbound"][labels(origin="reply", session="main")] == 1
                and values["messages.outbound"][labels(origin="manual", session="main")] == 0
                and values["rate.global_per_min"] == {(): 1}
                and values["telemetry.errors"][labels(component="logs")] == 0
                and "whatsapp.session.state" not in values
                and "first_response.latency" not in values
            )

        assert in_child(check)
        assert bench.value("messages.outbound", origin="reply") == 5

    def test_a_lock_held_at_the_fork_does_not_stop_the_child(
        self, bench: Bench, in_child: Callable[[Callable[[], bool]], bool]
    ) -> None:
        def check() -> bool:
            bench.metrics.message_sent(contact_id="a")
            bench.metrics.error("logs")
            return bool(bench.value("messages.outbound", origin="reply") == 1)

        held, release = threading.Event(), threading.Event()

        def hold() -> None:
            with bench.metrics._state.lock, bench.metrics._errors._lock:
                held.set()
                release.wait(30)

        holder = threading.Thread(target=hold)
        holder.start()
        held.wait(10)
        try:
            assert in_child(check)
        finally:
            release.set()
            holder.join()


class TestConfig:
    def test_names_every_problem_at_once(self) -> None:
        with pytest.raises(ConfigError) as caught:
            MetricsConfig(
                tracked_contacts=0,
                tracked_events_per_contact=0,
                tracked_sessions=0,
                breaker_contacts_shown=-1,
                breaker_window_s=0,
                first_response_deadline_s=float("nan"),
                callback_timeout_s=float("inf"),
            )
        assert len(caught.value.problems) == 7

    def test_the_real_clock_is_used_unless_one_is_given(self) -> None:
        reader = InMemoryMetricReader()
        provider = BoundedMeterProvider([reader], shutdown_on_exit=False)
        metrics = WhatsSelfMetrics(provider.get_meter("x"))
        before = time.time()
        metrics.session_state(session="main", state="starting")
        (since,) = read_values(reader)["whatsapp.session.down_since_timestamp"].values()
        assert before <= since <= time.time()


def test_verbs_work_inside_an_event_loop(bench: Bench) -> None:
    async def run() -> None:
        await asyncio.gather(*(asyncio.to_thread(bench.metrics.message_sent, contact_id="a") for _ in range(10)))
        bench.metrics.message_sent(contact_id="a")

    asyncio.run(run())
    assert bench.value("rate.per_contact_per_5min") == 11
