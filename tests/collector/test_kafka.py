"""The Kafka files of collector/scale and collector/vendors against a real broker."""

from __future__ import annotations

import re
import runpy
import time
from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from binaries import COLLECTOR, ROOT, get, need, post_otlp, run_collector
from certificates import make_certificates
from fault_rig import QUICK, Load, Tally, note, tally, wait_for_all
from kafka_broker import PARTITIONS, PASSWORD, USER, Broker, run_broker
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
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
MAKES_TOPICS = "exporters::kafka{}::producer::allow_auto_topic_creation: true"
"""In place of an operator who makes them; what ships makes none."""
SPANS_A_TRACE = 4
SOON = "exporters::kafka{}::sending_queue::batch::flush_timeout: 100ms"
PAUSE_S = 0.2
"""
Pause between two batches of 20 spans. Each span is one trace and one message, and the consumer syncs each to disk.
"""
ROUND_S = 1.5
"""How long load goes on between two faults."""
LOAD_SPANS = 75_400
LOAD_WAIT_S = 1_500


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """Run one broker for the module; each test has separate topics."""
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
    soon = (SOON.format("/scale"), "exporters::kafka/scale::retry_on_failure::initial_interval: 200ms", QUICK[-1])
    settings = (*soon, MAKES_TOPICS.format("/scale"))
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
    """*count* traces, each span in one request: first spans first, last spans last."""
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


class TestUnreadable:
    """Messages that are no OTLP, in every partition, between spans that are."""

    def test_stop_no_partition(self, broker: Broker, tmp_path: Path) -> None:
        with (
            run_sink() as sink,
            consumer(broker, "unreadable", tmp_path / "consumer", sink) as reading,
            producer(broker, "unreadable", tmp_path / "producer") as sending,
            spoiler(broker, "unreadable", tmp_path / "spoiler") as spoiling,
        ):
            load = Load(sending.http_url, batch=20)
            for number in range(10):
                assert load.attempt()
                post_otlp(f"{spoiling.http_url}/v1/logs", garbage(number, count=20))
            counted = wait_for_all(load, sink, timeout_s=120)
            partitions = unreadable_by_partition(reading)

        assert (counted.sent, counted.lost, counted.duplicated) == (200, 0, 0)
        assert len(partitions) == PARTITIONS, "garbage came into too few partitions to show anything"


def garbage(first: int, count: int) -> ExportLogsServiceRequest:
    """Return records whose texts are no OTLP, of many resources, so that they come into many partitions."""
    request = ExportLogsServiceRequest()
    for number in range(count):
        resource = request.resource_logs.add()
        resource.resource.attributes.add(key="service.name").value.string_value = f"spoiler-{first}-{number}"
        resource.scope_logs.add().log_records.add().body.string_value = "no protobuf at all"
    return request


def unreadable_by_partition(reading: Collector) -> set[str]:
    """Return the partitions in which the consumer could not read a message."""
    page = (get(reading.metrics_url) or b"").decode()
    series = r'^otelcol_kafka_receiver_unmarshal_failed_spans\w*\{.*partition="(\d+)".*\} [1-9]'
    return set(re.findall(series, page, re.MULTILINE))


def spoiler(broker: Broker, topics: str, folder: Path) -> AbstractContextManager[Collector]:
    """Run a collector that writes log texts, as they are, to the topic of spans."""
    environ = {**environment(broker, topics), "KAFKA_TOPIC_LOGS": f"{topics}_traces"}
    settings = ("exporters::kafka/scale::logs::encoding: raw", SOON.format("/scale"))
    return run_collector(files=[PRODUCER], folder=made(folder), environ=environ, settings=settings)


class TestSecure:
    """A broker with TLS and a login that creates no topic automatically."""

    def test_takes_and_gives_what_the_two_files_more_send_and_read(self, tmp_path: Path) -> None:
        certificates = make_certificates(made(tmp_path / "certificates"))
        keystore = certificates.key("localhost").read_text() + certificates.certificate("localhost").read_text()
        with run_broker(made(tmp_path / "kafka"), keystore) as secure, run_sink() as sink:
            login = {
                **environment(secure, "secure", sink),
                "KAFKA_BROKERS": secure.secure_address,
                "KAFKA_USERNAME": USER,
                "KAFKA_PASSWORD": PASSWORD,
                "KAFKA_CA_FILE": str(certificates.authority),
            }
            settings = (QUICK[-1], SOON.format("/scale"))
            reading = run_collector("otlp", files=[CONSUMER, secured("consumer")], environ=login, settings=QUICK)
            sending = run_collector(
                files=[PRODUCER, secured("producer")], environ=login, settings=settings, folder=made(tmp_path / "p")
            )
            with reading, sending as it:
                load = Load(it.http_url, batch=20)
                assert load.attempt()
                # Nobody has made the topic: what was accepted waits on the producer's disk.
                wait_until(lambda: "UNKNOWN_TOPIC" in it.log.read_text(), "the producer says that there is no topic")
                with producer(secure, "secure", tmp_path / "maker") as maker:
                    assert Load(maker.http_url, batch=1).attempt()
                    counted = wait_for_all(load, sink, timeout_s=120)

            with run_collector(
                files=[PRODUCER, secured("producer")],
                environ={**login, "KAFKA_PASSWORD": "another"},
                settings=settings,
                folder=made(tmp_path / "q"),
            ) as refused:
                assert Load(refused.http_url, batch=1).attempt()
                wait_until(
                    lambda: "SASL_AUTHENTICATION_FAILED" in refused.log.read_text(), "a wrong password is refused"
                )
                assert "another" not in refused.log.read_text()

        assert (counted.sent, counted.lost) == (20, 0)


def secured(role: str) -> str:
    """Return the file more that *role* needs for TLS and a login."""
    return str(ROOT / f"collector/scale/kafka-{role}-secure.yaml")


@pytest.mark.proof
class TestHighLoad:
    """More messages at once than the consumer's disk can sync: each span is one trace and one message."""

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


@pytest.mark.proof
class TestTiers:
    """Two agents, three gateways and one broker on one machine, under the load of benchmarks/load.py."""

    def test_lose_nothing_of_messages_and_keep_each_trace_in_one_gateway(self, broker: Broker, tmp_path: Path) -> None:
        with ExitStack() as stack:
            sinks = [stack.enter_context(run_sink()) for _ in range(3)]
            for number, sink in enumerate(sinks):
                stack.enter_context(consumer(broker, "tiers", tmp_path / f"gateway-{number}", sink))
            agents = [stack.enter_context(producer(broker, "tiers", tmp_path / f"agent-{number}")) for number in (0, 1)]
            sent = LOAD["send"](LOAD["Target"]([each.http_url for each in agents]), RATE, TIERS_S)
            started_s = time.monotonic()
            wanted = {"spans": sent.spans, "records": sent.records}
            deadline_s = started_s + LOAD_WAIT_S
            while (arrived := counted(sinks)) and any(len(arrived[kind]) < wanted[kind] for kind in wanted):
                assert time.monotonic() < deadline_s, {kind: len(found) for kind, found in arrived.items()}
                time.sleep(2)
            took_s = time.monotonic() - started_s
            gateways = [{span.trace_id for span in sink.spans()} for sink in sinks]

        share = ", ".join(str(len(traces)) for traces in gateways)
        for kind, found in arrived.items():
            copies = found.total() - len(found)
            tally_of = Tally(sent=wanted[kind], received=len(found), duplicated=copies, lost=wanted[kind] - len(found))
            note(
                f"two agents, Kafka and three gateways: {kind}",
                tally_of,
                f"{sent.messages} messages at {RATE} a minute, {sent.bytes / 1e6:.0f} MB; traces by gateway {share}; "
                f"all had come {took_s:.0f} s after the last was sent",
            )
        assert sent.refused == {}
        assert sum(map(len, gateways)) == sent.messages
        assert min(map(len, gateways)) > 0


LOAD = runpy.run_path(str(ROOT / "benchmarks/load.py"))
RATE, TIERS_S = 5_000, 60


def counted(sinks: list[Sink]) -> dict[str, Counter[str]]:
    """Return how often each number of the load has come, of spans and of records."""
    return {
        "spans": Counter(span.attributes[LOAD["NUMBER"]] for sink in sinks for span in sink.spans()),
        "records": Counter(log.attributes[LOAD["NUMBER"]] for sink in sinks for log in sink.logs()),
    }


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
                else run_collector(
                    "kafka", environ=environment(broker, topics), settings=(SOON.format(""), MAKES_TOPICS.format(""))
                )
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
