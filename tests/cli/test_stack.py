"""``whatsself-otel stack``: which way is taken, and the real backends from up to down."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from json_output import content

from whatsself_otel.cli import main, stack
from whatsself_otel.stack import docker
from whatsself_otel.stack.addresses import Addresses, free_ports
from whatsself_otel.stack.errors import MISSING, CommandError
from whatsself_otel.stack.links import links, table
from whatsself_otel.stack.native import missing
from whatsself_otel.stack.native_stack import lock_file
from whatsself_otel.stack.paths import locked
from whatsself_otel.stack.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from whatsself_otel.stack.supervisor import Process


def _arguments(*flags: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    stack.add_parser(parser.add_subparsers())
    return parser.parse_args(["stack", "up", *flags])


@pytest.fixture
def nothing_built(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine with nothing on it: no programs, no Go, no Docker. Returns its PATH."""
    path = tmp_path / "path"
    path.mkdir()
    for name in list(os.environ):
        if name.endswith("_BIN"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("WHATSSELF_OTEL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("WHATSSELF_OTEL_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("PATH", str(path))
    return path


def _stand_in(path: Path, name: str, script: str) -> None:
    """Put a program on PATH; an engine or a Compose that fails on purpose is not to be had otherwise."""
    (path / name).write_text(f"#!/bin/sh\n{script}\n", "utf-8")
    (path / name).chmod(0o755)


@pytest.mark.skipif(sys.platform == "win32", reason="shell scripts stand in for Docker")
class TestWay:
    """Docker, native, or a clear word."""

    def test_nothing_at_all_names_both_ways_and_their_remedies(self, nothing_built: Path) -> None:
        with pytest.raises(CommandError) as caught:
            stack.use_docker(_arguments())

        assert caught.value.status == MISSING
        assert "Docker: " in str(caught.value)
        assert "Native: not on this machine: otelcol-whatsself, prometheus, victorialogs, jaeger, alertmanager." in str(
            caught.value
        )

    def test_docker_asked_for_and_missing_is_an_error_even_where_native_would_do(self, nothing_built: Path) -> None:
        _stand_in(nothing_built, "go", "exit 0")

        with pytest.raises(CommandError, match=docker.problem() or "cannot be"):
            stack.use_docker(_arguments("--docker"))

    def test_go_alone_means_native(self, nothing_built: Path, capsys: pytest.CaptureFixture[str]) -> None:
        _stand_in(nothing_built, "go", "exit 0")

        assert not stack.use_docker(_arguments())
        assert capsys.readouterr().out.startswith("Native stack, because: ")

    @pytest.mark.parametrize(
        "flags",
        [
            ("--native",),
            ("--victorialogs",),
            ("--loki",),
            ("--jaeger",),
            ("--tempo",),
        ],
    )
    def test_what_only_the_native_stack_has_means_native(self, flags: tuple[str, ...], nothing_built: Path) -> None:
        assert not stack.use_docker(_arguments(*flags))


@pytest.fixture
def compose_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A compose file, for any kind of checkout."""
    (tmp_path / "docker-compose.yml").write_text("services: {}\n", "utf-8")
    monkeypatch.setattr(docker, "shipped", lambda name: tmp_path / name)
    return tmp_path / "docker-compose.yml"


@pytest.mark.usefixtures("compose_file")
@pytest.mark.skipif(sys.platform == "win32", reason="shell scripts stand in for Docker")
class TestDocker:
    """The commands given to Docker."""

    def test_no_docker(self, nothing_built: Path) -> None:
        assert str(docker.problem()).startswith("Docker is not installed.")

    def test_an_engine_that_does_not_answer(self, nothing_built: Path) -> None:
        _stand_in(nothing_built, "docker", '[ "$1" = compose ]')

        assert docker.problem() == "The Docker engine does not answer. Start Docker."

    def test_no_compose(self, nothing_built: Path) -> None:
        _stand_in(nothing_built, "docker", '[ "$1" = version ]')

        assert str(docker.problem()).startswith("Docker has no Compose plugin.")

    def test_all_there_is_taken_first(self, nothing_built: Path, capsys: pytest.CaptureFixture[str]) -> None:
        _stand_in(nothing_built, "docker", "exit 0")

        assert stack.use_docker(_arguments())
        assert "Docker answers" in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("argv", "wanted"),
        [
            (("up",), "up"),
            (("up", "--detach"), "up --detach --wait"),
            (("down",), "down"),
            (("status", "--json"), "ps --format json"),
            (("logs", "--lines", "5", "loki"), "logs --tail=5 loki"),
        ],
    )
    def test_commands_become_composes(
        self,
        argv: tuple[str, ...],
        wanted: str,
        nothing_built: Path,
        compose_file: Path,
        tmp_path: Path,
    ) -> None:
        _stand_in(nothing_built, "docker", f'echo "$@" >> {tmp_path}/asked')

        assert main(["stack", *argv]) == 0
        assert (tmp_path / "asked").read_text("utf-8").splitlines()[-1] == f"compose --file {compose_file} {wanted}"

    def test_from_a_clone_nothing_is_said_of_the_image(self) -> None:
        assert not [name for name in docker.variables() if name.startswith("WHATSSELF_OTEL_BUILD")]

    def test_from_a_wheel_the_image_is_built_from_where_it_is_installed(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file = tmp_path / "site/whatsself_otel/_files/docker-compose.yml"
        monkeypatch.setattr(docker, "checkout", lambda: None)
        monkeypatch.setattr(docker, "shipped", lambda _name: file)
        monkeypatch.chdir(tmp_path)
        (tmp_path / ".env").touch()

        assert docker.variables()["WHATSSELF_OTEL_BUILD_CONTEXT"] == str(tmp_path / "site")
        assert docker.command("up")[2:] == ("--env-file", str(tmp_path / ".env"), "--file", str(file), "up")

    def test_vendors_and_their_secrets_from_files_reach_the_containers(
        self, nothing_built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "key").write_text("hcaik_01j\n", "utf-8")
        monkeypatch.setenv("HONEYCOMB_API_KEY_FILE", str(tmp_path / "key"))
        told = '"$OTELCOL_VENDORS $HONEYCOMB_API_KEY [$HONEYCOMB_API_KEY_FILE]"'
        _stand_in(nothing_built, "docker", f"echo {told} > {tmp_path}/told")

        assert main(["stack", "up", "--docker", "--vendor", "honeycomb", "--vendor", "debug"]) == 0
        assert (tmp_path / "told").read_text("utf-8") == "honeycomb,debug hcaik_01j []\n"

    def test_a_vendor_without_its_variable_stops_the_start_by_name(
        self, nothing_built: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        _stand_in(nothing_built, "docker", "exit 0")

        assert main(["stack", "up", "--docker", "--vendor", "honeycomb"]) == 2
        assert "honeycomb: HONEYCOMB_API_KEY is not set." in capsys.readouterr().err

    def test_composes_exit_status_is_passed_on(self, nothing_built: Path) -> None:
        _stand_in(nothing_built, "docker", "exit 17")

        assert docker.compose("up") == 17


COMPOSE = """
import sys
from pathlib import Path
from whatsself_otel.stack import docker
docker.shipped = lambda name: Path(name)
sys.exit(docker.compose("up"))
"""

EARLY = """
import os, signal, subprocess, sys

class Popen(subprocess.Popen):
    def __init__(self, command, **options):
        super().__init__(command, stdout=subprocess.PIPE, **options)
        self.stdout.readline()
        os.kill(os.getpid(), int(sys.argv[1]))

subprocess.Popen = Popen
"""
"""The signal comes when Compose runs, and before anybody here knows that it does."""


@pytest.mark.skipif(sys.platform == "win32", reason="shell scripts stand in for Docker")
class TestInterruptedCompose:
    """Ctrl-C while containers run."""

    def test_compose_has_the_time_it_needs_to_stop_them(self, nothing_built: Path, tmp_path: Path) -> None:
        slow_stop = (
            f"trap 'sleep 1; echo stopped > {tmp_path}/containers; exit 0' INT; echo up; while :; do sleep 0.1; done"
        )
        _stand_in(nothing_built, "docker", slow_stop)
        environment = {**os.environ, "PATH": f"{nothing_built}:/usr/bin:/bin"}
        with subprocess.Popen(
            [sys.executable, "-c", COMPOSE], env=environment, stdout=subprocess.PIPE, start_new_session=True
        ) as up:
            assert up.stdout is not None
            assert up.stdout.readline() == b"up\n"
            os.killpg(up.pid, signal.SIGINT)

        assert up.returncode == 0
        assert (tmp_path / "containers").read_text("utf-8") == "stopped\n"

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
    def test_what_ends_this_process_alone_ends_compose_too(
        self, nothing_built: Path, tmp_path: Path, number: signal.Signals
    ) -> None:
        # It ends its own sleep, as Compose ends containers.
        ended = f"trap 'kill $!; echo stopped > {tmp_path}/containers; exit 0' TERM"
        _stand_in(nothing_built, "docker", f"sleep 60 & {ended}; echo up; wait")
        environment = {**os.environ, "PATH": f"{nothing_built}:/usr/bin:/bin"}
        with subprocess.Popen(
            [sys.executable, "-c", COMPOSE], env=environment, stdout=subprocess.PIPE, start_new_session=True
        ) as up:
            assert up.stdout is not None
            assert up.stdout.readline() == b"up\n"
            up.send_signal(number)
            up.wait(timeout=20)

        assert up.returncode == 0
        assert (tmp_path / "containers").read_text("utf-8") == "stopped\n"

    @pytest.mark.parametrize(("number", "trap"), [(signal.SIGTERM, "TERM"), (signal.SIGINT, "INT")])
    def test_what_ends_this_process_while_compose_starts_ends_it_too(
        self, nothing_built: Path, tmp_path: Path, number: signal.Signals, trap: str
    ) -> None:
        ended = f"trap 'kill $!; echo stopped > {tmp_path}/containers; exit 0' {trap}"
        _stand_in(nothing_built, "docker", f"sleep 60 & {ended}; echo up; wait")
        environment = {**os.environ, "PATH": f"{nothing_built}:/usr/bin:/bin"}
        command = [sys.executable, "-c", EARLY + COMPOSE, str(int(number))]
        subprocess.run(command, env=environment, check=True, timeout=20)

        assert (tmp_path / "containers").read_text("utf-8") == "stopped\n"


class TestNothingRuns:
    """Before the first start."""

    @pytest.fixture(autouse=True)
    def _nothing(self, nothing_built: Path) -> None:
        """No stack, no Docker."""

    def test_status_is_1(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["stack", "status", "--data", str(tmp_path), "--json"]) == 1
        assert json.loads(capsys.readouterr().out)["running"] is False

    def test_down_is_no_error(self, tmp_path: Path) -> None:
        assert main(["stack", "down", "--data", str(tmp_path)]) == 0

    def test_logs_of_an_unknown_program_is_an_error_that_names_the_known(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "logs").mkdir()
        (tmp_path / "logs" / "loki.log").write_text("one\ntwo\n", "utf-8")

        assert main(["stack", "logs", "lokki", "--data", str(tmp_path)]) == 1
        assert "There is: loki." in capsys.readouterr().err

    def test_logs_shows_the_last_lines_with_the_programs_name(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "logs").mkdir()
        (tmp_path / "logs" / "loki.log").write_text("one\ntwo\n", "utf-8")

        assert main(["stack", "logs", "--data", str(tmp_path), "--lines", "1"]) == 0
        assert capsys.readouterr().out == "loki          two\n"


@pytest.fixture
def a_stack_runs(tmp_path: Path) -> Iterator[Callable[..., stack.Running]]:
    """Leave a running stack's files in a data folder; its programs are asked for real."""
    held = contextlib.ExitStack()

    def run(**ready_urls: str) -> stack.Running:
        assert held.enter_context(locked(lock_file(tmp_path)))
        running = stack.Running(pid=os.getpid(), ports=dict(Addresses().ports), ready_urls=ready_urls)
        running.write(tmp_path)
        return running

    with held:
        yield run


@pytest.fixture
def program(server: Callable[..., Process], tmp_path: Path) -> Iterator[str]:
    """A program that is ready, by its URL."""
    process = server("loki")
    with Supervisor([process], logs=tmp_path / "others"):
        yield process.ready_url


DEAD = "http://127.0.0.1:9"
"""No server is there."""


class TestForPrograms:
    """--json: one object on standard output and nothing beside it."""

    def _asked(self, capsys: pytest.CaptureFixture[str], tmp_path: Path, *words: str) -> tuple[int, Any]:
        status = main(["stack", *words, "--data", str(tmp_path), "--json"])
        return status, content(capsys.readouterr().out)

    def test_status_says_of_each_program_whether_it_is_ready(
        self,
        a_stack_runs: Callable[..., stack.Running],
        program: str,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        running = a_stack_runs(loki=program, jaeger=DEAD)

        assert self._asked(capsys, tmp_path, "status") == (
            1,
            {
                "running": True,
                "ready": {"loki": True, "jaeger": False},
                "data": str(tmp_path),
                "pid": running.pid,
                "ports": running.ports,
                "ready_urls": running.ready_urls,
            },
        )

    def test_status_is_0_once_every_program_is_ready(
        self,
        a_stack_runs: Callable[..., stack.Running],
        program: str,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        a_stack_runs(loki=program)

        status, said = self._asked(capsys, tmp_path, "status")

        assert (status, said["ready"]) == (0, {"loki": True})

    def test_up_of_what_runs_already_gives_the_object_of_a_new_start(
        self, a_stack_runs: Callable[..., stack.Running], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        running = a_stack_runs(loki=DEAD)

        status, said = self._asked(capsys, tmp_path, "up")

        assert status == 0
        assert said["running"] is True
        assert (said["pid"], said["ports"], said["data"]) == (running.pid, running.ports, str(tmp_path))

    @pytest.mark.usefixtures("nothing_built")
    def test_down_where_nothing_runs_says_so(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert self._asked(capsys, tmp_path, "down") == (0, {"stopped": False})

    def test_down_waits_until_the_stack_has_let_go_of_its_folder(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with subprocess.Popen([sys.executable, "-c", OBEDIENT, str(tmp_path)], stdout=subprocess.PIPE) as other:
            assert other.stdout is not None
            assert other.stdout.readline() == b"runs\n"

            try:
                said = self._asked(capsys, tmp_path, "down")
            finally:
                other.terminate()
            stopped = other.stdout.read()

        assert said == (0, {"stopped": True})
        assert stopped == b"stopped\n"

    @pytest.mark.usefixtures("nothing_built")
    def test_logs_are_an_object_a_line(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (tmp_path / "logs").mkdir()
        (tmp_path / "logs" / "loki.log").write_text('said "one"\ntwo\n', "utf-8")
        (tmp_path / "logs" / "jaeger.log").write_text("three\n", "utf-8")

        assert main(["stack", "logs", "--data", str(tmp_path), "--json"]) == 0
        assert [content(line) for line in capsys.readouterr().out.splitlines()] == [
            {"program": "jaeger", "line": "three"},
            {"program": "loki", "line": 'said "one"'},
            {"program": "loki", "line": "two"},
        ]

    def test_logs_that_are_followed_are_objects_too_and_a_new_run_is_read_from_its_start(self, tmp_path: Path) -> None:
        log, output = tmp_path / "logs" / "loki.log", tmp_path / "output"
        log.parent.mkdir()
        log.write_text("before\nand before that\n", "utf-8")
        flags = ("--follow", "--lines=1", "--json", "--data", str(tmp_path))
        command = [sys.executable, "-m", "whatsself_otel.cli", "stack", "logs", "loki", *flags]
        with output.open("wb") as file, subprocess.Popen(command, stdout=file) as following:
            try:
                said = [_said(output, 1)]
                for mode, part in (("a", "more\nunfini"), ("a", "shed\n"), ("w", "new run\n")):
                    with log.open(mode, encoding="utf-8") as written:
                        written.write(part)
                    said.append(_said(output, len(said) + 1))
            finally:
                following.send_signal(signal.SIGINT)

        assert said[-1] == ["and before that", "more", "unfinished", "new run"]
        assert [len(lines) for lines in said] == [1, 2, 3, 4]
        assert following.returncode == 130

    @pytest.mark.usefixtures("compose_file")
    @pytest.mark.skipif(sys.platform == "win32", reason="shell scripts stand in for Docker")
    def test_containers_in_the_foreground_would_mix_their_output_in(
        self, nothing_built: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        _stand_in(nothing_built, "docker", "exit 0")

        assert main(["stack", "up", "--json"]) == 2
        said = capsys.readouterr()
        assert "--json needs --detach with containers" in json.loads(said.out)["message"]
        assert "--json needs --detach with containers" in said.err

    @pytest.mark.usefixtures("compose_file")
    @pytest.mark.skipif(sys.platform == "win32", reason="shell scripts stand in for Docker")
    def test_containers_in_the_background_are_told_of_by_compose(
        self, nothing_built: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        _stand_in(nothing_built, "docker", """case "$*" in *" ps --format json") echo '{"Service":"loki"}' ;; esac""")

        assert main(["stack", "up", "--detach", "--json"]) == 0
        said = capfd.readouterr()
        assert json.loads(said.out) == {"Service": "loki"}
        assert "Docker answers" in said.err

    @pytest.mark.usefixtures("compose_file")
    @pytest.mark.skipif(sys.platform == "win32", reason="shell scripts stand in for Docker")
    def test_containers_that_do_not_start_are_not_told_of(
        self, nothing_built: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        _stand_in(nothing_built, "docker", 'case "$*" in *" up "*) exit 17 ;; *) echo "{}" ;; esac')

        assert main(["stack", "up", "--detach", "--json"]) == 17
        assert "Service" not in capfd.readouterr().out


def _said(output: Path, least: int) -> list[str]:
    """Return the lines of a log in *output*, once there are at least *least*, or after the time limit."""
    deadline = time.monotonic() + 20
    while len(told := output.read_text("utf-8").splitlines()) < least and time.monotonic() < deadline:
        time.sleep(0.05)
    return [json.loads(line)["line"] for line in told]


OBEDIENT = """
import sys, time
from pathlib import Path
from whatsself_otel.stack.native_stack import lock_file
from whatsself_otel.stack.paths import locked
data = Path(sys.argv[1])
with locked(lock_file(data)):
    print("runs", flush=True)
    while not (data / "stack.stop").exists():
        time.sleep(0.05)
    time.sleep(0.5)
    print("stopped", flush=True)
"""


class TestForPeople:
    """The same in words."""

    def test_a_stack_that_does_not_stop_is_an_error_that_names_its_logs(
        self,
        a_stack_runs: Callable[..., stack.Running],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        a_stack_runs()
        monkeypatch.setattr(stack, "_DOWN_S", 0.3)

        assert main(["stack", "down", "--data", str(tmp_path)]) == 1
        assert f"The stack did not stop in 0.3 s; its logs are in {tmp_path / 'logs'}." in capsys.readouterr().err

    def test_a_trace_is_asked_of_the_stack_that_runs(
        self,
        a_stack_runs: Callable[..., stack.Running],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        running = a_stack_runs()
        (port,) = free_ports(1)
        stack.Running(pid=1, ports={**running.ports, "JAEGER_QUERY_PORT": port}, ready_urls={}).write(tmp_path)
        monkeypatch.setenv("WHATSSELF_OTEL_DATA", str(tmp_path))

        assert main(["trace", "any", "--from", "jaeger"]) != 0
        assert f"jaeger does not answer at http://127.0.0.1:{port}" in capsys.readouterr().err

    def test_status_names_what_does_not_answer_and_where_to_look(
        self,
        a_stack_runs: Callable[..., stack.Running],
        program: str,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        a_stack_runs(loki=program, jaeger=DEAD)

        assert main(["stack", "status", "--data", str(tmp_path)]) == 1
        said = capsys.readouterr().out
        assert "  loki          ready\n" in said
        assert "  jaeger        does not answer\n" in said
        assert Addresses().otlp_http in said

    def test_logs_of_a_stack_that_never_ran_say_how_to_start_it(
        self, nothing_built: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["stack", "logs", "--data", str(tmp_path)]) == 1
        assert "Start it with `whatsself-otel stack up`" in capsys.readouterr().err

    @pytest.mark.usefixtures("compose_file")
    @pytest.mark.skipif(sys.platform == "win32", reason="shell scripts stand in for Docker")
    def test_containers_in_the_background_are_told_of_with_grafana(
        self, nothing_built: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        _stand_in(nothing_built, "docker", "exit 0")
        monkeypatch.setenv("GRAFANA_PORT", "13000")

        assert main(["stack", "up", "--detach"]) == 0
        assert "http://127.0.0.1:13000  (grafana)" in capsys.readouterr().out


class TestLinks:
    """Where to look."""

    def test_every_signal_has_a_query_for_the_message(self) -> None:
        programs = ("jaeger", "tempo", "loki", "victorialogs", "prometheus")
        shown = links(Addresses(), programs, message_id="m-1")

        assert [link.signal for link in shown] == ["traces", "traces", "logs", "logs", "metrics"]
        assert ["m-1" in urllib.parse.unquote(link.query) for link in shown] == [True, True, True, True, False]

    def test_what_does_not_run_is_not_shown(self) -> None:
        assert [link.program for link in links(Addresses(), ("loki",))] == ["loki"]

    def test_the_table_says_where_to_send(self) -> None:
        assert "http://127.0.0.1:4318" in table(Addresses(), [])


absent = missing()
needs_backends = pytest.mark.skipif(bool(absent), reason=f"not built (`make native`): {', '.join(absent)}")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Free ports, and a mark by which leftovers are found."""
    return {**os.environ, **Addresses.free().environment, "WHATSSELF_TEST_MARK": str(tmp_path)}


def _command(tmp_path: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "whatsself_otel.cli", "stack", *words, "--data", str(tmp_path / "data")]


def _up(tmp_path: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start the stack in the foreground, as a terminal would, and return when it says that it is ready."""
    log = tmp_path / "up.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            _command(tmp_path, "up", "--native"),
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    deadline = time.monotonic() + 120
    while "Ctrl-C stops everything." not in log.read_text("utf-8"):
        assert process.poll() is None, log.read_text("utf-8")
        assert time.monotonic() < deadline, log.read_text("utf-8")
        time.sleep(0.1)
    return process


@needs_backends
@pytest.mark.backend
@pytest.mark.skipif(sys.platform != "linux", reason="finds leftovers in /proc")
class TestRealBackends:
    """Collector, Prometheus, VictoriaLogs, Jaeger and Alertmanager."""

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
    def test_leaves_no_process_however_it_ends(
        self,
        number: signal.Signals,
        tmp_path: Path,
        environment: dict[str, str],
        left_running: Callable[..., list[str]],
    ) -> None:
        up = _up(tmp_path, environment)
        running = len(left_running(wait_s=0))

        os.killpg(up.pid, number)

        assert up.wait(60) == (-signal.SIGKILL if number == signal.SIGKILL else 0)
        assert running >= 6
        # Whoever is killed asks his programs to end, and waits for none: Tempo writes what it holds, for 15 s and more.
        assert left_running(wait_s=60 if number == signal.SIGKILL else 5) == []

    def test_detached_from_up_to_down(
        self, tmp_path: Path, environment: dict[str, str], left_running: Callable[..., list[str]]
    ) -> None:
        """Also where Python is a launcher, as in a virtual environment on Windows: the real program has another pid."""
        launcher = tmp_path / "launcher"
        launcher.write_text(f'#!/bin/sh\n"{sys.executable}" "$@"\nexit $?\n')
        launcher.chmod(0o755)
        launched = f"import sys; sys.executable = {str(launcher)!r}; import whatsself_otel.cli as c; sys.exit(c.main())"

        def run(*words: str, python: Sequence[str] = ("-m", "whatsself_otel.cli")) -> subprocess.CompletedProcess[str]:
            command = [sys.executable, *python, *_command(tmp_path, *words)[3:]]
            return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

        up = run("up", "--native", "--detach", python=("-c", launched))
        status = run("status", "--json")
        again = run("up", "--native", "--detach")
        logs = run("logs", "prometheus", "--lines", "3")
        down = run("down")
        after = run("status", "--json")

        assert up.returncode == 0, up.stderr
        assert status.returncode == 0
        assert set(json.loads(status.stdout)["ready"]) >= {
            "collector",
            "prometheus",
            "victorialogs",
            "jaeger",
            "alertmanager",
        }
        assert again.stdout.startswith("Already running")
        assert len(logs.stdout.splitlines()) == 3
        assert (down.returncode, after.returncode) == (0, 1)
        assert left_running() == []

    def test_a_program_reads_one_object_from_up_and_from_down_and_the_demo_uses_what_runs(
        self, tmp_path: Path, environment: dict[str, str], left_running: Callable[..., list[str]]
    ) -> None:
        environment["WHATSSELF_OTEL_DATA"] = str(tmp_path / "data")

        def run(*words: str) -> subprocess.CompletedProcess[str]:
            command = [sys.executable, "-m", "whatsself_otel.cli", *words]
            return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

        up = run("stack", "up", "--native", "--victorialogs", "--jaeger", "--vendor", "debug", "--detach", "--json")
        try:
            demo = run("demo")
            status = run("stack", "status")
        finally:
            down = run("stack", "down", "--json")

        assert up.returncode == 0, up.stderr
        said = json.loads(up.stdout)
        assert said["ready"] == dict.fromkeys(
            ("collector", "prometheus", "victorialogs", "jaeger", "alertmanager"), True
        )
        assert (said["running"], said["data"]) == (True, str(tmp_path / "data"))
        assert {name: str(port) for name, port in said["ports"].items()}.items() <= environment.items()
        assert demo.returncode == 0, demo.stderr
        assert "Stack: native, because it runs already" in demo.stdout
        for backend, what in (("jaeger", "spans"), ("victorialogs", "log lines"), ("prometheus", "exemplars")):
            assert re.search(rf"{backend} +[1-9][0-9]* {what}", demo.stdout)
        assert "Where to look further:" in demo.stdout
        assert "Ctrl-C" not in demo.stdout
        assert status.returncode == 0
        assert (down.returncode, content(down.stdout)) == (0, {"stopped": True})
        assert left_running() == []

    def test_in_the_foreground_a_program_reads_one_object_and_people_the_rest(
        self, tmp_path: Path, environment: dict[str, str]
    ) -> None:
        with (
            (tmp_path / "out").open("wb") as out,
            (tmp_path / "err").open("wb") as err,
            subprocess.Popen(
                _command(tmp_path, "up", "--native", "--json"),
                env=environment,
                stdout=out,
                stderr=err,
                start_new_session=True,
            ) as up,
        ):
            try:
                deadline = time.monotonic() + 120
                while not (tmp_path / "out").read_text("utf-8") and time.monotonic() < deadline:
                    time.sleep(0.1)
            finally:
                os.killpg(up.pid, signal.SIGINT)

        assert up.returncode == 0
        assert json.loads((tmp_path / "out").read_text("utf-8"))["pid"] == up.pid
        said = (tmp_path / "err").read_text("utf-8")
        assert "collector: ready after" in said
        assert "Stopped; nothing is left running." in said

    def test_what_cannot_start_in_the_background_says_why(
        self, tmp_path: Path, environment: dict[str, str], left_running: Callable[..., list[str]]
    ) -> None:
        with socket.create_server(("127.0.0.1", int(environment["VICTORIALOGS_PORT"]))):
            command = _command(tmp_path, "up", "--native", "--detach")
            up = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

        assert up.returncode == 1
        assert "The stack did not start." in up.stderr
        assert f"Port {environment['VICTORIALOGS_PORT']}, which victorialogs needs, is taken" in up.stderr
        assert left_running() == []

    def test_a_taken_port_is_said_with_its_variable(
        self, tmp_path: Path, environment: dict[str, str], left_running: Callable[..., list[str]]
    ) -> None:
        with socket.create_server(("127.0.0.1", int(environment["VICTORIALOGS_PORT"]))):
            up = subprocess.run(
                _command(tmp_path, "up", "--native"), env=environment, capture_output=True, text=True, check=False
            )

        assert up.returncode == 1
        assert f"Port {environment['VICTORIALOGS_PORT']}, which victorialogs needs, is taken" in up.stderr
        assert "set VICTORIALOGS_PORT to a free port" in up.stderr
        assert left_running() == []

    def test_every_link_of_the_table_answers_with_what_was_sent(
        self, tmp_path: Path, environment: dict[str, str]
    ) -> None:
        up = _up(tmp_path, environment)
        try:
            addresses = Addresses.from_environment(environment)
            _send(addresses.otlp_http, message_id="m-1")
            queries = {
                link.program: link.query
                for link in links(addresses, ("jaeger", "victorialogs", "prometheus"), message_id="m-1")
            }

            found = {program: _wait_for(query) for program, query in queries.items()}
        finally:
            os.killpg(up.pid, signal.SIGINT)
            up.wait(60)

        assert found == {"jaeger": 1, "victorialogs": 1, "prometheus": 1}


def _wait_for(query: str) -> int:
    """Return how many traces, lines or series *query* finds, once it finds any."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if found := _results(query):
            return found
        time.sleep(0.3)
    return 0


def _results(query: str) -> int:
    with urllib.request.urlopen(query, timeout=5) as response:
        answer = response.read()
    if "/select/logsql/" in query:
        return len(answer.splitlines())
    data = json.loads(answer)["data"]
    return len(data["result"] if isinstance(data, dict) else data)


def _send(endpoint: str, *, message_id: str) -> None:
    """Send one span, one log line and one count, as plain OTLP JSON."""
    now = str(time.time_ns())
    attributes = [{"key": "messageId", "value": {"stringValue": message_id}}]
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "whatsself"}}]}
    span = {"traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331", "name": "send"}
    span |= {"startTimeUnixNano": now, "endTimeUnixNano": now}
    point = {"asInt": "1", "startTimeUnixNano": now, "timeUnixNano": now}
    counted = {"aggregationTemporality": 2, "isMonotonic": True, "dataPoints": [point]}
    record = {"timeUnixNano": now, "body": {"stringValue": "sent"}, "attributes": attributes}
    spans = {"scopeSpans": [{"spans": [{**span, "attributes": attributes}]}]}
    logs = {"scopeLogs": [{"logRecords": [record]}]}
    metrics = {"scopeMetrics": [{"metrics": [{"name": "messages.outbound", "sum": counted}]}]}
    signals = {
        "traces": {"resourceSpans": [{"resource": resource, **spans}]},
        "logs": {"resourceLogs": [{"resource": resource, **logs}]},
        "metrics": {"resourceMetrics": [{"resource": resource, **metrics}]},
    }
    for signal_name, body in signals.items():
        request = urllib.request.Request(
            f"{endpoint}/v1/{signal_name}", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=5) as response:
            assert response.status == 200
