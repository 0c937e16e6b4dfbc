"""`whatsself-otel view` and `whatsself-otel trace` as processes, against the viewer's own store."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import webbrowser
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from json_output import kind_of
from parts import Client, logs, names, spans, trace_id
from rows import for_each

from whatsself_otel.cli import main, view
from whatsself_otel.stack import native
from whatsself_otel.stack.addresses import Addresses, free_ports
from whatsself_otel.stack.native_stack import Stack, StackConfig
from whatsself_otel.viewer.note import Note
from whatsself_otel.viewer.server import Viewer, ViewerConfig

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COMMAND = [sys.executable, "-m", "whatsself_otel.cli"]


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder for this test, and ports of the usual stores without servers."""
    monkeypatch.setenv("WHATSSELF_OTEL_DATA", str(tmp_path))
    stores = ("TEMPO_HTTP_PORT", "JAEGER_QUERY_PORT", "LOKI_HTTP_PORT", "VICTORIALOGS_PORT")
    for name, port in zip(stores, free_ports(len(stores)), strict=True):
        monkeypatch.setenv(name, str(port))
    return tmp_path


@pytest.fixture
def noted(data: Path) -> Iterator[Client]:
    with Viewer(ViewerConfig(note=data / "viewer.json")) as viewer, Client(viewer) as client:
        client.send(spans(1, requestId="request-1"), logs(1, "Message received", "Message sent"))
        yield client


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert main(["trace", *arguments, "--json"]) == 0
    told = capsys.readouterr().out
    assert kind_of(told) == "trace"
    return json.loads(told)


def state(viewer: Viewer) -> Any:
    with Client(viewer) as client:
        return client.get("/api/state")


class TestViewOverOtherStores:
    def test_without_a_stack_it_says_what_does_not_answer_and_how_to_start_it(
        self, data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PROMETHEUS_PORT", str(free_ports(1)[0]))

        assert main(["view", "--from", "stack"]) == 3
        said = capsys.readouterr().err
        assert "Prometheus does not answer" in said
        assert "whatsself-otel stack up" in said

    def test_stores_are_named_together_or_not_at_all(self, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["view", "--prometheus", "http://127.0.0.1:9"]) == 2
        assert "--from stack" in capsys.readouterr().err

    def test_shows_the_real_ones_and_leaves_no_note(
        self, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if absent := native.missing():
            pytest.skip(f"Not on this machine: {', '.join(absent)}. {native.remedy(absent[0])}")
        with Stack(StackConfig(data=tmp_path / "stack", addresses=Addresses.free())) as stack:
            at, told = stack.addresses, list[str]()
            for name, value in at.environment.items():
                monkeypatch.setenv(name, value)
            monkeypatch.setattr(Viewer, "wait", lambda viewer: told.append(state(viewer)["from"]))

            assert main(["view", "--port", "0", "--from", "stack"]) == 0
            named = ["--prometheus", at.prometheus, "--logs", at.victorialogs, "--traces", at.jaeger]
            assert main(["view", "--port", "0", *named]) == 0

        assert told == ["stack", "stack"]
        assert "It reads   the real stores" in capsys.readouterr().out
        assert not (data / "viewer.json").exists()


class TestView:
    def test_runs_until_it_is_interrupted_and_leaves_nothing(self, data: Path) -> None:
        command = [*COMMAND, "view", "--port", "0", "--no-grpc", "--json"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as process:
            assert process.stdout is not None
            said = json.loads(process.stdout.readline())
            note = Note.read(data / "viewer.json")
            assert note is not None
            assert (note.url, note.token, note.pid) == (said["endpoint"], said["token"], process.pid)
            assert stat.S_IMODE((data / "viewer.json").stat().st_mode) == 0o600
            assert said["token"] not in repr(note)
            answer = httpx.get(said["page"], trust_env=False)
            assert answer.status_code == httpx.codes.SEE_OTHER

            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 130
        assert not (data / "viewer.json").exists()

    def test_says_where_to_look_where_to_send_and_how_to_get_the_real_stack(
        self, data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Viewer, "wait", lambda _self: None)

        assert main(["view", "--port", "0", "--no-grpc"]) == 0
        shown = capsys.readouterr().out
        assert "/?token=" in shown
        assert "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:" in shown
        assert "whatsself-otel stack up" in shown

    def test_no_browser_to_open_is_said_and_no_error(
        self, data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Viewer, "wait", lambda _self: None)
        monkeypatch.setattr(webbrowser, "_tryorder", [])  # else a machine with a browser would open it

        assert main(["view", "--port", "0", "--no-grpc", "--open"]) == 0
        assert "No browser was found" in capsys.readouterr().err

    def test_a_taken_port_is_named_with_a_remedy(self, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
        with Viewer() as other:
            port = other.url.rpartition(":")[2]
            assert main(["view", "--port", port, "--no-grpc"]) == 1

        assert "--port 0" in capsys.readouterr().err

    def test_a_taken_grpc_port_too(self, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
        with Viewer() as other:
            port = other.url.rpartition(":")[2]
            assert main(["view", "--port", "0", "--grpc-port", port]) == 1

        assert f"port {port} is taken" in capsys.readouterr().err

    def test_what_is_not_installed_is_named(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(view, "PACKAGES", ("starlette", "not_there"))

        assert main(["view"]) == 3
        assert 'needs not_there. Run: pip install "pyyaml>=' in capsys.readouterr().err

    @for_each("wrong", [("--max-size", "1"), ("--max-spans", "0"), ("--max-age", "0")])
    def test_limits_that_are_none(self, wrong: tuple[str, str]) -> None:
        assert main(["view", *wrong]) == 2


class TestTraceFromTheViewer:
    @pytest.mark.parametrize("wanted", ["request-1", "contact-1", "message-1", trace_id(1)])
    def test_is_found_by_any_id(self, noted: Client, capsys: pytest.CaptureFixture[str], wanted: str) -> None:
        found = told(capsys, wanted)
        (trace,) = found["traces"]

        assert (found["from"], trace["traceId"]) == ("viewer", trace_id(1))
        assert [span["name"] for span in trace["spans"]] == ["POST /webhook/messages", "step 1", "step 2"]
        assert [log["msg"] for log in trace["logs"]] == ["Message received", "Message sent"]

    def test_is_a_tree_with_its_logs(self, noted: Client, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["trace", "contact-1"]) == 0
        shown = capsys.readouterr().out

        assert "├─ step 1" in shown
        assert "└─ step 2 it timed out" in shown
        assert "Message received" in shown
        assert shown.endswith("from viewer\n")

    def test_of_a_contact_the_newest_or_all(self, noted: Client, capsys: pytest.CaptureFixture[str]) -> None:
        noted.send(spans(2, contactId="contact-1"))

        assert names(told(capsys, "contact-1")["traces"]) == [trace_id(2)]
        assert names(told(capsys, "contact-1", "--all")["traces"]) == [trace_id(2), trace_id(1)]

    def test_of_another_id_the_trace_in_which_it_came_first_and_how_many_there_are(
        self, noted: Client, capsys: pytest.CaptureFixture[str]
    ) -> None:
        noted.send(spans(3, messageId="message-9"))
        noted.send(spans(4, messageId="message-9"))

        assert main(["trace", "message-9", "--json"]) == 0
        shown = capsys.readouterr()
        assert names(json.loads(shown.out)["traces"]) == [trace_id(3)]
        assert shown.err == "2 traces have this id; this is the first. --all shows every one.\n"

    def test_by_address_and_token(self, noted: Client, capsys: pytest.CaptureFixture[str], data: Path) -> None:
        (data / "viewer.json").unlink()
        where = ("--from", "viewer", "--url", noted.viewer.url)

        assert names(told(capsys, "contact-1", *where, "--token", noted.viewer.token)["traces"]) == [trace_id(1)]
        assert main(["trace", "contact-1", *where, "--token", "wrong"]) == 3
        assert "viewer answers 401" in capsys.readouterr().err

    def test_an_unknown_id_fails(self, noted: Client, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["trace", "nobody"]) == 1
        assert "Nothing has the id nobody." in capsys.readouterr().err


class TestTraceFromNowhere:
    def test_says_what_does_not_answer_and_what_to_start(self, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["trace", "any"]) == 3
        said = capsys.readouterr().err
        assert "tempo does not answer" in said
        assert "jaeger does not answer" in said
        assert "whatsself-otel view" in said

    @pytest.mark.parametrize("wrong", [("",), ("x" * 201,), ("any", "--url", "http://127.0.0.1:1")])
    def test_wrong_use(self, data: Path, wrong: tuple[str, ...]) -> None:
        assert main(["trace", *wrong]) == 2

    def test_an_address_that_is_none(self, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["trace", "any", "--from", "tempo", "--url", "file:///etc/passwd"]) == 2
        assert "--url: must be a URL such as http://127.0.0.1:9090" in capsys.readouterr().err
