"""The demo on a real PostgreSQL server of the test's own."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import postgres_server
import pytest
from protobuf_sink import OtlpSink

from whatsself_otel.cli.demo_app import demo_app
from whatsself_otel.demo.traffic import TrafficPlan, send_traffic
from whatsself_otel.viewer.console_view import last_points

if TYPE_CHECKING:
    from collections.abc import Iterator

ABSENT = postgres_server.absent()
pytestmark = pytest.mark.skipif(ABSENT is not None, reason=str(ABSENT))


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with postgres_server.run() as url:
        yield url


class TestPostgres:
    def test_two_workers_answer_every_message_and_count_it_once(self, url: str) -> None:
        with OtlpSink() as sink:
            with demo_app(sink.endpoint, workers=2, environment={"DATABASE_URL": url, "DEMO_BREAKER": "off"}) as app:
                journal = asyncio.run(send_traffic(TrafficPlan(url=app.url, messages=40, failing=0.1)))
            counts: Counter[str] = Counter()
            for metrics in sink.received.metrics_by_instance.values():
                for point in last_points(metrics):
                    counts[point.name] += int(point.value)

        assert journal.summary()["settled"] == 40
        assert counts["messages_outbound_total"] == 40
        assert counts["messages_outbound_failed_total"] == 4
        assert counts["messages_delivered_total"] == 2 * 36
