"""No instrument grows without end, whoever created it, and no total is lost by it."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from opentelemetry.metrics import Observation
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.metrics.view import DropAggregation, View
from readings import labels, read_values

from whatsself_otel import Telemetry
from whatsself_otel.catalogue import HTTP_SERVER_REQUEST_DURATION, OVERFLOW
from whatsself_otel.metrics.cardinality import CARDINALITY_LIMIT, BoundedMeterProvider

REQUEST_COUNT = f"{HTTP_SERVER_REQUEST_DURATION.prometheus_name}_count"
OVERFLOWN = ((OVERFLOW, True),)


def make(limit: int = 10, **options: Any) -> tuple[BoundedMeterProvider, InMemoryMetricReader]:
    reader = InMemoryMetricReader()
    return BoundedMeterProvider([reader], cardinality_limit=limit, shutdown_on_exit=False, **options), reader


class TestTheLimit:
    def test_is_the_specifications_by_default(self) -> None:
        reader = InMemoryMetricReader()
        counter = BoundedMeterProvider([reader], shutdown_on_exit=False).get_meter("m").create_counter("c")
        for number in range(3000):
            counter.add(1, {"k": number})
        assert len(read_values(reader)["c"]) == CARDINALITY_LIMIT == 2000

    def test_sends_what_exceeds_it_to_one_series_and_keeps_the_total(self) -> None:
        provider, reader = make()
        counter = provider.get_meter("anybody's").create_counter("c")
        for number in range(100):
            counter.add(2, {"k": number})
        series = read_values(reader)["c"]
        assert len(series) == 10
        assert series[OVERFLOWN] == 2 * 91
        assert sum(series.values()) == 200

    def test_leaves_known_series_their_place(self) -> None:
        provider, reader = make()
        counter = provider.get_meter("m").create_counter("c")
        for number in range(100):
            counter.add(1, {"k": number})
        counter.add(5, {"k": 0})
        assert read_values(reader)["c"][labels(k=0)] == 6

    def test_holds_for_every_kind_of_instrument(self) -> None:
        provider, reader = make()
        meter = provider.get_meter("m")
        histogram, updown, gauge = (
            meter.create_histogram("h"),
            meter.create_up_down_counter("u"),
            meter.create_gauge("g"),
        )
        many = [Observation(1, {"k": number}) for number in range(100)]
        meter.create_observable_gauge("og", [lambda _: many])
        meter.create_observable_counter("oc", [lambda _: many])
        for number in range(100):
            histogram.record(1, {"k": number})
            updown.add(1, {"k": number})
            gauge.set(1, {"k": number})
        values = read_values(reader)
        assert {name: len(series) for name, series in values.items()} == dict.fromkeys(["h", "u", "g", "og", "oc"], 10)
        assert values["h"][OVERFLOWN] == (91, 91)

    def test_counts_after_a_view_took_attributes_away(self) -> None:
        provider, reader = make(limit=3, views=[View(instrument_name="c", attribute_keys={"kept"})])
        counter = provider.get_meter("m").create_counter("c")
        for number in range(100):
            counter.add(1, {"kept": number % 2, "gone": number})
        assert read_values(reader)["c"] == {labels(kept=0): 50, labels(kept=1): 50}

    def test_holds_for_a_reader_added_later(self) -> None:
        provider, _ = make()
        late = InMemoryMetricReader()
        provider.add_metric_reader(late)
        counter = provider.get_meter("m").create_counter("c")
        for number in range(100):
            counter.add(1, {"k": number})
        assert len(read_values(late)["c"]) == 10

    def test_leaves_dropped_instruments_dropped(self) -> None:
        provider, reader = make(views=[View(instrument_name="o", aggregation=DropAggregation())])
        provider.get_meter("m").create_observable_gauge("o", [lambda _: [Observation(1)]])
        provider.get_meter("m").create_counter("c").add(1)
        assert set(read_values(reader)) == {"c"}

    def test_holds_when_threads_race(self) -> None:
        provider, reader = make(limit=50)
        counter = provider.get_meter("m").create_counter("c")

        def work(base: int) -> None:
            for number in range(500):
                counter.add(1, {"k": base + number})

        threads = [threading.Thread(target=work, args=(index * 1000,)) for index in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        series = read_values(reader)["c"]
        assert len(series) <= 50 + len(threads)
        assert sum(series.values()) == 2000


class TestOverflow:
    def test_is_told_for_each_measurement_and_said_once(self, caplog: pytest.LogCaptureFixture) -> None:
        provider, _ = make()
        told: list[str] = []
        provider.on_overflow = told.append
        counter = provider.get_meter("m").create_counter("c")
        with caplog.at_level(logging.WARNING):
            for number in range(100):
                counter.add(1, {"k": f"secret-{number}"})
        assert told == ["c"] * 91
        assert len(caplog.records) == 1
        assert "secret" not in caplog.text


class TestObservedSeries:
    def test_that_are_no_longer_reported_are_forgotten(self) -> None:
        provider, reader = make()
        present = [0]
        provider.get_meter("m").create_observable_gauge("g", [lambda _: [Observation(1, {"k": present[0]})]])
        for number in range(100):
            present[0] = number
            assert read_values(reader)["g"] == {labels(k=number): 1}


class TestHostileRequests:
    async def test_make_no_series(self, start: Callable[..., Telemetry]) -> None:
        app = FastAPI()
        app.add_api_route("/api/{item}", lambda item: {"length": len(item)})
        start(app, prometheus=True)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop") as client:
            for number in range(200):
                for path in ("/api/", "/", "/metrics/"):
                    headers = {"host": f"h{number}.example", "user-agent": f"agent {number}"}
                    method = ("GET", "POST", f"M{number}")[number % 3]
                    await client.request(method, f"{path}{number}", headers=headers)
            exposition = (await client.get("/metrics")).text
        counts = [line for line in exposition.splitlines() if line.startswith(REQUEST_COUNT)]
        assert 1 <= len(counts) <= 20
        assert not [line for line in counts if "example" in line or "agent" in line or 'method="M' in line]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_starts_at_nothing_whatever_lock_was_held() -> None:
    provider, reader = make()
    counter = provider.get_meter("m").create_counter("c")
    provider.get_meter("m").create_observable_gauge("g", [lambda _: [Observation(1)]])
    counter.add(5)
    with provider._measurement_consumer._lock:
        pid = os.fork()
        if pid == 0:
            counter.add(1)
            os._exit(0 if read_values(reader) == {"c": {(): 1}, "g": {(): 1}} else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert read_values(reader)["c"] == {(): 5}
