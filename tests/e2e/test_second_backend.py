"""One more --config, and the same untouched application's telemetry also arrives at a vendor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from job import SAAS_KEY, WORKERS, Job
from stores import wait_until_found

from whatsself_otel.catalogue import MESSAGE_ID, MESSAGES_OUTBOUND

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otlp_sink import Sink

pytestmark = pytest.mark.e2e


class TestVendor:
    """The stand-in for Honeycomb, fed beside the local backends through every restart."""

    def test_gets_the_spans_and_logs_of_every_message(self, job: Job, counts: dict[str, dict[str, object]]) -> None:
        messages = {str(entry.message_id) for entry in job.journal.entries}

        def missing(signal: str) -> list[str]:
            records: list[Any] = [*(job.saas.spans() if signal == "spans" else job.saas.logs())]
            found = messages & {record.attributes.get(MESSAGE_ID) for record in records}
            counts[f"messages of which the vendor has {signal}"] = {"found": len(found)}
            return [f"{len(messages - found)} messages without {signal}"] if found != messages else []

        wait_until_found(["spans", "logs"], missing)

    def test_gets_the_last_count_of_every_worker(self, job: Job) -> None:
        wait_until_found(
            [job.journal.summary()["replies"]],
            lambda replies: [] if (sent := sum(_last_counts(job.saas).values())) == replies else [f"counted {sent}"],
        )
        assert len(_last_counts(job.saas)) == 2 * WORKERS

    def test_every_request_carries_the_key(self, job: Job) -> None:
        assert {request.headers.get("x-honeycomb-team") for request in job.saas.received} == {SAAS_KEY}


def _last_counts(sink: Sink) -> dict[str, int]:
    """Return the largest count of messages sent, by instance: a retried export may arrive late."""
    counted: dict[str, int] = {}
    for instance, metric in _metrics(sink):
        if metric.name == MESSAGES_OUTBOUND.name:
            total = sum(point.as_int for point in metric.sum.data_points)
            counted[instance] = max(counted.get(instance, 0), total)
    return counted


def _metrics(sink: Sink) -> Iterator[tuple[str, Any]]:
    for request in [each for each in list(sink.received) if each.path == "/v1/metrics"]:
        for resource in request.message.resource_metrics:
            attributes = {pair.key: pair.value.string_value for pair in resource.resource.attributes}
            for scope in resource.scope_metrics:
                yield from ((attributes.get("service.instance.id", ""), metric) for metric in scope.metrics)
