"""The Kafka files of collector/scale and collector/vendors against a real broker."""

from __future__ import annotations

import re
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from binaries import COLLECTOR, ROOT, get, need, post_otlp, run_collector
from fault_rig import QUICK, Load, note, tally, wait_for_all
from kafka_broker import Broker, run_broker
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from otlp_sink import Sink, run_sink

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from binaries import Collector

pytestmark = pytest.mark.collector

PRODUCER = str(ROOT / "collector/scale/kafka-producer.yaml")
CONSUMER = str(ROOT / "collector/scale/kafka-consumer.yaml")
SPANS_A_TRACE = 4
SOON = "exporters::kafka{}::sending_queue::batch::flush_timeout: 100ms"
PAUSE_S = 0.2
"""Between two batches of 20 spans, each a trace and so a message of its own, which the consumer syncs to its disk."""
ROUND_S = 1.5
"""How long load goes on between two faults."""
LOAD_SPANS = 75_400
LOAD_WAIT_S = 1_500


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """Run one broker for the module; each test has topics of its own."""
    need(COLLECTOR)
    with run_broker(tmp_path_factory.mktemp("kafka")) as running:
        yield running


def environment(broker: Broker, topics: str, sink: Sink | None = None) -> dict[str, str]:
    return {
        "KAFKA_BROKERS": broker.address,
        "KAFKA_GROUP": topics,
        **{f"KAFKA_TOPIC_{signal}": f"{topics}_{signal.lower()}" for signal in ("TRACES", "METRICS", "LOGS")},
        **({"OTLP_ENDPOINT": sink.url} if sink else {}),
    }


def producer(broker: Broker, topics: str, folder: Path) -> AbstractContextManager[Collector]:
    settings = (SOON.format("/scale"), "exporters::kafka/scale::retry_on_failure::initial_interval: 200ms", QUICK[-1])
    return run_collector(files=[PRODUCER], folder=made(folder), environ=environment(broker, topics), settings=settings)


def consumer(broker: Broker, topics: str, folder: Path, sink: Sink) -> AbstractContextManager[Collector]:
    # A dead member's partitions are given to others after this; upstream waits ten seconds.
    settings = (*QUICK, "receivers::kafka/scale::session_timeout: 6s", "receivers::kafka/scale::heartbeat_interval: 1s")
    environ = environment(broker, topics, sink)
    return run_collector("otlp", files=[CONSUMER], folder=made(folder), environ=environ, settings=settings)


def made(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder


def whole_traces(first: int, count: int) -> Iterator[ExportTraceServiceRequest]:
    """*count* traces, their spans one by one in requests of their own: first spans first, last spans last."""
    now_ns = time.time_ns()
    for span_number in range(1, SPANS_A_TRACE + 1):
        request = ExportTraceServiceRequest()
        spans = request.resource_spans.add().scope_spans.add().spans
        for number in range(first, first + count):
            span = spans.add(name="send", trace_id=number.to_bytes(16, "big"), span_id=span_number.to_bytes(8, "big"))
            span.start_time_unix_nano, span.end_time_unix_nano = now_ns, now_ns + 1_000_000
        yield request


def spans_by_trace(sink: Sink, first: int) -> dict[int, int]:
    """Trace number -> how many of its spans *sink* has, of the traces from *first* on."""
    found: dict[int, set[str]] = {}
    for span in sink.spans():
        if (number := int(span.trace_id, 16)) >= first:
            found.setdefault(number, set()).add(span.span_id)
    return {number: len(ids) for number, ids in found.items()}


def wait_until(condition: Callable[[], bool], what: str, timeout_s: float = 120.0) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, f"not within {timeout_s:.0f} s: {what}"
        time.sleep(0.1)


class TestRestarts:
    """Load goes on while one part after the other is killed and started again."""

    def test_of_broker_and_consumer_lose_nothing(self, broker: Broker, tmp_path: Path) -> None:
        with run_sink() as sink, producer(broker, "restarts", tmp_path / "producer") as sending:
            load = Load(sending.http_url, batch=20)
            with load.going_on(PAUSE_S):
                with consumer(broker, "restarts", tmp_path / "consumer", sink) as first:
                    wait_until(lambda: bool(sink.spans()), "a span came through Kafka")
                    broker.kill()
                    time.sleep(ROUND_S)
                    broker.start()
                    reached = load.accepted
                    wait_until(lambda: tally(load, sink).received > reached // 2, "spans came after the broker's death")
                    first.process.kill()
                time.sleep(ROUND_S)
                with consumer(broker, "restarts", tmp_path / "consumer", sink):
                    time.sleep(ROUND_S)
            with consumer(broker, "restarts", tmp_path / "consumer", sink):
                counted = wait_for_all(load, sink, timeout_s=120)

        assert counted.sent > 300
        assert counted.lost == 0


@pytest.mark.proof
class TestHighLoad:
    """More at once than the consumer's disk can sync: each span is a trace, and so a message, of its own."""

    def test_makes_the_consumer_lag_and_loses_nothing(self, broker: Broker, tmp_path: Path) -> None:
        with (
            run_sink() as sink,
            consumer(broker, "load", tmp_path / "consumer", sink) as reading,
            producer(broker, "load", tmp_path / "producer") as sending,
        ):
            load = Load(sending.http_url, batch=50)
            while load.accepted < LOAD_SPANS:
                assert load.attempt()
            sent_s = time.monotonic()
            unread, missing = load.accepted - messages_read(reading), tally(load, sink).lost
            wait_until(lambda: messages_read(reading) == load.accepted, "the group has read every message", LOAD_WAIT_S)
            read_s = time.monotonic() - sent_s
            # What was read lies in the consumer's queue, whose disk is the same.
            counted = wait_for_all(load, sink, timeout_s=LOAD_WAIT_S)
            took_s = time.monotonic() - sent_s

        note(
            "Kafka, more than its consumer can take at once",
            counted,
            f"when the last was sent, {unread} were unread and {missing} had not come; the group's lag was 0 after "
            f"{read_s:.0f} s, and all had come after {took_s:.0f} s: lag, no loss",
        )
        assert unread > load.batch, "it was no high load for this machine"
        assert counted.lost == 0


def messages_read(reading: Collector) -> int:
    """Return how many messages of its partitions the consumer has read: one more than each offset."""
    page = (get(reading.metrics_url) or b"").decode()
    offsets = re.findall(r"^otelcol_kafka_receiver_current_offset\{.*\} (\S+)$", page, re.MULTILINE)
    return sum(int(float(each)) + 1 for each in offsets)


class TestTraces:
    """A consumer that samples must see whole traces."""

    @pytest.mark.parametrize("files", ["scale", "vendor"])
    def test_the_spans_of_one_trace_reach_one_consumer(self, broker: Broker, tmp_path: Path, files: str) -> None:
        topics = f"traces_{files}"
        with ExitStack() as stack:
            sinks = [stack.enter_context(run_sink()) for _ in range(2)]
            for number, sink in enumerate(sinks):
                stack.enter_context(consumer(broker, topics, tmp_path / f"consumer-{number}", sink))
            sending = stack.enter_context(
                producer(broker, topics, tmp_path / "producer")
                if files == "scale"
                else run_collector("kafka", environ=environment(broker, topics), settings=(SOON.format(""),))
            )
            first = self.until_both_read(sending, sinks)
            for request in whole_traces(first, 200):
                post_otlp(f"{sending.http_url}/v1/traces", request)
            wait_until(lambda: self.all_there(sinks, first), "every span of 200 traces arrived")
            seen = [spans_by_trace(sink, first) for sink in sinks]

        assert seen[0].keys() & seen[1].keys() == set()
        assert min(len(each) for each in seen) > 0

    @staticmethod
    def until_both_read(sending: Collector, sinks: list[Sink]) -> int:
        """Send traces until both consumers have partitions; return the number of the next trace."""
        numbers = iter(range(1, 1_000_000, 50))

        def both() -> bool:
            for request in whole_traces(next(numbers), 50):
                post_otlp(f"{sending.http_url}/v1/traces", request)
            time.sleep(1)
            counts = [len(sink.spans()) for sink in sinks]
            time.sleep(0.5)
            return all(counts) and all(len(sink.spans()) for sink in sinks)

        wait_until(both, "two consumers share the partitions")
        return next(numbers)

    @staticmethod
    def all_there(sinks: list[Sink], first: int) -> bool:
        arrived = sum(sum(spans_by_trace(sink, first).values()) for sink in sinks)
        return arrived >= 200 * SPANS_A_TRACE
