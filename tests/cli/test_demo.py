"""The demo command as a process: its output, its choices, and the files that it leaves."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from json_output import kind_of
from rows import for_each

from whatsself_otel.cli import demo, main
from whatsself_otel.cli.stack import Running
from whatsself_otel.demo.traffic import TrafficPlan, send_traffic
from whatsself_otel.stack import containers, native
from whatsself_otel.stack.addresses import PORTS, Addresses
from whatsself_otel.stack.errors import MISSING, CommandError
from whatsself_otel.stack.native_stack import lock_file
from whatsself_otel.stack.paths import locked
from whatsself_otel.viewer.server import Viewer, ViewerConfig

COMMAND = [sys.executable, "-m", "whatsself_otel.cli", "demo"]


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, **variables},
    )


@pytest.fixture(scope="module")
def shown() -> str:
    done = run("--stack", "python")
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    done = run("--stack", "python", "--json")
    assert done.returncode == 0, done.stderr
    assert kind_of(done.stdout) == "demo"
    story: dict[str, Any] = json.loads(done.stdout)
    return story


class TestPythonStack:
    def test_the_trace_its_logs_and_its_metrics_name_the_same_trace(self, told: dict[str, Any]) -> None:
        trace_id = told["traceId"]

        assert len(trace_id) == 32
        assert {span["traceId"] for span in told["spans"]} == {trace_id}
        assert {log["traceId"] for log in told["logs"]} == {trace_id}
        assert trace_id in {each for point in told["metrics"] for each in point["traceIds"]}

    def test_every_span_and_log_carries_the_request_that_started_it(self, told: dict[str, Any]) -> None:
        items = [*told["spans"], *told["logs"]]

        assert len(told["logs"]) >= 6
        assert {item["attributes"].get("requestId") for item in items} == set(told["ids"]["requestId"])

    def test_the_tree_hangs_together(self, told: dict[str, Any]) -> None:
        spans = {span["spanId"] for span in told["spans"]}
        roots = [span["title"] for span in told["spans"] if span["parentSpanId"] is None]

        assert roots == ["POST /webhook/messages"]
        assert {span["parentSpanId"] for span in told["spans"]} - {None} <= spans

    def test_the_message_was_counted_once(self, told: dict[str, Any]) -> None:
        values = {(point["name"], *sorted(point["labels"].values())): point["value"] for point in told["metrics"]}

        assert values["messages_inbound_total", "main", "text"] == 1
        assert values["messages_outbound_total", "main", "reply"] == 1
        assert values["messages_delivered_total", "main", "read"] == 1

    def test_it_shows_tree_logs_and_metrics_with_the_trace_id(self, shown: str) -> None:
        trace_id = re.search(r"^Trace +([0-9a-f]{32})$", shown, re.MULTILINE)

        assert trace_id is not None
        assert re.search(r"^ +0\.0ms +[0-9.]+ms  POST /webhook/messages", shown, re.MULTILINE)
        assert re.search(r"└─ .*acknowledge whatsapp", shown)
        assert "Message sent to +55********0000" in shown
        outbound = rf'^  messages_outbound_total{{origin="reply",? ?session="main"}} 1 +<- {trace_id[1]}$'
        assert re.search(outbound, shown, re.MULTILINE)

    def test_it_says_what_it_took_and_how_to_get_more(self, shown: str) -> None:
        assert shown.startswith("Stack: python, because it was asked for\n")
        assert "whatsself-otel stack up" in shown

    def test_it_prints_no_colours_into_a_pipe_and_no_phone_anywhere(self, shown: str) -> None:
        assert "\x1b" not in shown
        assert "11900000000" not in shown

    def test_settings_of_the_shell_do_not_send_its_telemetry_elsewhere(self) -> None:
        done = run(
            "--stack",
            "python",
            OTEL_SDK_DISABLED="true",
            OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1",
            OTEL_EXPORTER_OTLP_TRACES_ENDPOINT="http://127.0.0.1:1",
            OTEL_EXPORTER_OTLP_PROTOCOL="grpc",
        )

        assert "POST /webhook/messages" in done.stdout


@pytest.mark.backend
@pytest.mark.skipif(
    bool(native.missing()), reason=f"these native programs are not built: {', '.join(native.missing())}"
)
class TestNativeStack:
    def test_every_backend_knows_the_message(self, tmp_path: Path) -> None:
        done = run("--stack", "native", "--json", WHATSSELF_OTEL_DATA=str(tmp_path), **Addresses.free().environment)
        assert done.returncode == 0, done.stderr
        answers = {answer["program"]: answer["found"] for answer in json.loads(done.stdout)["answers"]}

        assert answers["jaeger"] > 20
        assert answers["victorialogs"] >= 6
        assert answers["prometheus"] >= 1


class TestArguments:
    def test_packages_that_are_not_there_are_named_with_the_remedy(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(demo, "_PACKAGES", ("httpx", "not_there"))

        assert main(["demo"]) == MISSING
        assert 'The demo needs not_there. Run: pip install "aiosqlite>=' in capsys.readouterr().err

    def test_no_messages_is_refused(self) -> None:
        done = run("--stack", "python", "--messages", "0")

        assert (done.returncode, done.stdout) == (2, "")
        assert "--messages: must be a whole number of 1 or more, got '0'." in done.stderr


class TestChoose:
    """A test cannot change which machines exist, so it replaces their answers."""

    @pytest.fixture(autouse=True)
    def nothing_runs(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("WHATSSELF_OTEL_DATA", str(tmp_path))

    @pytest.fixture
    def no_docker(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(containers, "problem", lambda: "The Docker engine does not answer.")

    @pytest.fixture
    def no_native(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(native, "missing", lambda: ("victorialogs",))

    @pytest.mark.parametrize("wanted", [None, "native"])
    def test_a_stack_that_runs_is_taken_whatever_is_built(
        self, wanted: str | None, tmp_path: Path, no_native: None
    ) -> None:
        del no_native
        with locked(lock_file(tmp_path)):
            Running(pid=1, ports=dict(PORTS), ready_urls={}).write(tmp_path)

            assert demo.choose(wanted).stack == "native"

    def test_a_viewer_that_runs_is_taken_before_anything_is_started(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(containers, "problem", lambda: None)
        with Viewer(ViewerConfig(port=0, grpc_port=None, note=tmp_path / "viewer.json")):
            assert demo.choose(None).stack == demo.choose("viewer").stack == "viewer"
        with pytest.raises(CommandError, match="No viewer runs here: whatsself-otel view starts one"):
            demo.choose("viewer")

    def test_docker_comes_first(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(containers, "problem", lambda: None)

        assert demo.choose(None).stack == "docker"

    @pytest.mark.usefixtures("no_docker")
    def test_then_native_programs_that_are_built(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(native, "missing", tuple)
        choice = demo.choose(None)

        assert choice.stack == "native"
        assert "The Docker engine does not answer." in choice.why

    @pytest.mark.usefixtures("no_docker", "no_native")
    def test_then_python_alone_with_both_reasons(self) -> None:
        choice = demo.choose(None)

        assert choice.stack == "python"
        assert "The Docker engine does not answer." in choice.why
        assert "Not on this machine: victorialogs." in choice.why

    @pytest.mark.usefixtures("no_docker", "no_native")
    @for_each("wanted", ["docker", "native"])
    def test_what_was_asked_for_and_is_not_there_is_said_with_a_remedy(self, wanted: str) -> None:
        with pytest.raises(CommandError, match=f"The {wanted} stack cannot be used.*--stack python") as raised:
            demo.choose(wanted)

        assert raised.value.status == MISSING


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc to see what is left")
class TestAtATerminal:
    def test_it_stays_and_takes_ones_own_message_until_ctrl_c(self, tmp_path: Path) -> None:
        marker = f"{os.getpid()}-terminal"
        environ = {**os.environ, "WHATSSELF_OTEL_DATA": str(tmp_path), "NO_COLOR": "1", "TEST_MARKER": marker}
        leader, follower = os.openpty()
        process = subprocess.Popen(
            [*COMMAND, "--stack", "python"], stdout=follower, stderr=subprocess.DEVNULL, env=environ
        )
        os.close(follower)
        try:
            told = read_until(leader, "It runs until Ctrl-C.")
            page = re.search(r"The same on a page +(http\S+)", told)
            command = re.search(r"python -m (whatsself_otel\.demo\.traffic --url (\S+) .*)", told)
            assert page is not None
            assert command is not None
            with httpx.Client(trust_env=False, follow_redirects=True) as browser:  # it keeps the cookie
                assert "<html" in browser.get(page[1]).raise_for_status().text
            subprocess.run([sys.executable, "-m", *command[1].split()], check=True, capture_output=True, timeout=60)
            sent = asyncio.run(send_traffic(TrafficPlan(url=command[2], messages=1, settle_s=30, retry_s=10)))
            trace_id = str(sent.entries[0].trace_id)
            wait_for(lambda: "POST /webhook/messages" in traced(trace_id, environ))
            process.send_signal(signal.SIGINT)

            assert process.wait(timeout=40) in {0, 130}
            assert marked(marker) == []
        finally:
            process.kill()
            process.wait()
            os.close(leader)


def traced(trace_id: str, environ: dict[str, str]) -> str:
    """Return the viewer's story of one trace; the note of the viewer gives its address."""
    command = [sys.executable, "-m", "whatsself_otel.cli", "trace", trace_id, "--from", "viewer"]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environ).stdout


def read_until(leader: int, wanted: str) -> str:
    """Return a terminal's output up to *wanted*."""
    told, deadline_s = "", time.monotonic() + 90
    while wanted not in told:
        assert time.monotonic() < deadline_s, told
        if select.select([leader], [], [], 0.5)[0]:
            told += os.read(leader, 65536).decode(errors="replace")
    return told


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc to see what is left")
class TestInterrupt:
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    @pytest.mark.parametrize("moment", ["starting", "serving"])
    def test_nothing_is_left_running(self, number: signal.Signals, moment: str) -> None:
        marker = f"{os.getpid()}-{number}-{moment}"
        process = subprocess.Popen(
            [*COMMAND, "--stack", "python", "--messages", "500"],
            stdout=subprocess.DEVNULL,
            env={**os.environ, "TEST_MARKER": marker},
        )
        wait_for(lambda: len(marked(marker)) > 1)
        if moment == "serving":
            time.sleep(3)
        process.send_signal(number)

        assert process.wait(timeout=40) == 130
        # A program that was being started at that very moment is ended by the kernel, which takes a moment of its own.
        wait_for(lambda: not marked(marker))


def marked(marker: str) -> list[str]:
    """Return the command line of every process that inherited *marker*."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"TEST_MARKER={marker}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                found.append((folder / "cmdline").read_text())
    return found


def wait_for(happened: Any) -> None:
    deadline = time.monotonic() + 20
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)
