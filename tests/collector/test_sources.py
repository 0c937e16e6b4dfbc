"""The log files of the Node edition: read as they are, masked, through rotation and restart."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Self

import pytest
from binaries import run_collector
from fault_rig import QUICK
from otlp_sink import Log, Sink, run_sink

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.collector

TIME_MS = 1763898000123
PHONE = "5511987654321"
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PINO = {"level": 30, "time": TIME_MS, "pid": 17, "hostname": "shop", "msg": "sent"}


@pytest.fixture
def sink() -> Iterator[Sink]:
    with run_sink() as running:
        yield running


def read(folder: Path, sink: Sink, *lines: str) -> list[Log]:
    """Let the collector read *lines* of a file and return its output."""
    (folder / "app.log").write_text("".join(f"{line}\n" for line in lines))
    with running(folder, sink):
        sink.wait_for(lambda sink: len(sink.logs()) >= len(lines))
    return sink.logs()


def running(folder: Path, sink: Sink) -> Any:
    environ = {"OTLP_ENDPOINT": sink.url, "PINO_LOG_FILES": f"{folder}/app.log*"}
    return run_collector("otlp", sources=["pino"], environ=environ, folder=folder, settings=QUICK)


class TestMapping:
    """A line of Pino becomes the record that this package would have made."""

    def test_a_line_as_pino_writes_it(self, tmp_path: Path, sink: Sink) -> None:
        line = {**PINO, "requestId": "r1", "contactId": "c1", "trace_id": TRACE, "span_id": SPAN, "trace_flags": "01"}

        (log,) = read(tmp_path, sink, json.dumps(line))

        assert (log.body, log.level, log.trace_id, log.span_id) == ("sent", "info", TRACE, SPAN)
        assert {key: log.attributes.get(key) for key in ("requestId", "contactId", "process.pid", "host.name")} == {
            "requestId": "r1",
            "contactId": "c1",
            "process.pid": 17,
            "host.name": "shop",
        }
        assert log.attributes.keys() == {"requestId", "contactId", "process.pid", "host.name", "log.file.name"}
        assert log.resource["service.name"] == "whatsself"
        assert times(sink) == [TIME_MS * 1_000_000]

    def test_a_line_as_whatsself_writes_it(self, tmp_path: Path, sink: Sink) -> None:
        error = {"type": "TypeError", "message": f"no session for {PHONE}", "stack": f"TypeError: {PHONE}\n at x"}
        line = {"level": "error", "ts": "2025-11-23T11:40:00.123Z", "msg": "failed", "err": error, "event": "expired"}

        (log,) = read(tmp_path, sink, json.dumps({**line, "traceId": TRACE, "spanId": SPAN}))

        assert (log.body, log.level, log.trace_id, log.span_id) == ("failed", "error", TRACE, SPAN)
        assert log.attributes["exception.type"] == "TypeError"
        assert log.attributes["exception.message"] == "no session for ****"
        assert PHONE not in str(log)
        assert "err" not in log.attributes
        assert times(sink) == [TIME_MS * 1_000_000]

    @pytest.mark.parametrize(
        "level",
        [(10, "trace", 1), (20, "debug", 5), (35, "info", 9), (40, "warn", 13), ("fatal", "fatal", 21)],
        ids=str,
    )
    def test_levels(self, tmp_path: Path, sink: Sink, level: tuple[object, str, int]) -> None:
        given, text, number = level

        (log,) = read(tmp_path, sink, json.dumps({**PINO, "level": given}))

        records = sink.received[-1].message.resource_logs[0].scope_logs[0].log_records
        assert (log.level, records[0].severity_number) == (text, number)

    def test_what_is_no_pino_line_is_kept_as_text(self, tmp_path: Path, sink: Sink) -> None:
        lines = ["node:internal/process: Uncaught", '{"level":30,"msg":"cut', '{"msg":"no level"}', '{"level":"loud"}']

        logs = read(tmp_path, sink, *lines)

        assert [log.body for log in logs] == [lines[0], lines[1], "no level", lines[3]]

    def test_is_masked(self, tmp_path: Path, sink: Sink) -> None:
        line = {**PINO, "msg": f"Message to +{PHONE}", "to": PHONE, "data": {"body": "oi, tudo bem", PHONE: [PHONE]}}

        (log,) = read(tmp_path, sink, json.dumps(line), "not JSON 5511987654321")[:1]

        assert PHONE not in str(sink.logs())
        assert "tudo bem" not in str(sink.logs())
        assert log.body == "Message to ****"


class Writer:
    """Writes numbered lines in the background, as an application does, and renames the file now and then."""

    def __init__(self, folder: Path, rotate_every: int) -> None:
        self.written = 0
        self._path = folder / "app.log"
        self._rotate_every = rotate_every
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._write, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _write(self) -> None:
        while not self._over.wait(0.002):
            if self.written and self.written % self._rotate_every == 0:
                self._path.rename(self._path.with_name(f"app.log.{self.written}"))
            with self._path.open("a") as file:
                file.write(json.dumps({**PINO, "n": self.written}) + "\n")
            self.written += 1


def counted(sink: Sink) -> Counter[int]:
    return Counter(log.attributes["n"] for log in sink.logs())


class TestDelivery:
    """Every line arrives, through changes of the file and restarts of the collector."""

    def test_rotation_and_orderly_restarts_lose_and_repeat_nothing(self, tmp_path: Path, sink: Sink) -> None:
        with Writer(tmp_path, rotate_every=150) as writer:
            for _ in range(3):
                with running(tmp_path, sink):
                    time.sleep(0.7)
        with running(tmp_path, sink):
            sink.wait_for(lambda sink: len(counted(sink)) == writer.written, timeout_s=30)

        assert set(counted(sink)) == set(range(writer.written))
        assert counted(sink).total() == writer.written

    def test_a_killed_collector_loses_nothing_and_repeats_what_one_look_found(self, tmp_path: Path, sink: Sink) -> None:
        with Writer(tmp_path, rotate_every=150) as writer:
            for _ in range(3):
                with running(tmp_path, sink) as collector:
                    time.sleep(0.7)
                    collector.process.kill()
        with running(tmp_path, sink):
            sink.wait_for(lambda sink: len(counted(sink)) == writer.written, timeout_s=30)

        assert set(counted(sink)) == set(range(writer.written))

    def test_a_file_that_was_emptied_in_place_is_read_again(self, tmp_path: Path, sink: Sink) -> None:
        path = tmp_path / "app.log"
        path.write_text(json.dumps({**PINO, "n": 1}) + "\n")
        with running(tmp_path, sink):
            sink.wait_for(lambda sink: counted(sink)[1])
            path.write_text(json.dumps({**PINO, "n": 22222}) + "\n")
            sink.wait_for(lambda sink: counted(sink)[22222])

        assert counted(sink) == {1: 1, 22222: 1}


def times(sink: Sink) -> list[int]:
    return [
        record.time_unix_nano
        for each in sink.received
        for resource in each.message.resource_logs
        for scope in resource.scope_logs
        for record in scope.log_records
    ]
