"""The supervisor, with real processes."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from whatsself_otel.stack.errors import CommandError
from whatsself_otel.stack.supervisor import Limits, Process, Supervisor

if TYPE_CHECKING:
    from pathlib import Path

Server = Callable[..., Process]
Names = Callable[[], list[str]]
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="reads /proc and sends POSIX signals")


class TestStart:
    """From nothing to ready."""

    def test_a_later_stage_starts_when_the_earlier_one_is_ready(
        self, server: Server, journal: Names, tmp_path: Path
    ) -> None:
        with Supervisor([server("late", stage=1), server("early", "slow")], logs=tmp_path):
            assert journal() == ["early started", "early ready", "late started", "late ready"]

    def test_programs_of_one_stage_start_together(self, server: Server, journal: Names, tmp_path: Path) -> None:
        with Supervisor([server("one", "slow"), server("two", "slow")], logs=tmp_path):
            assert sorted(journal()[:2]) == ["one started", "two started"]

    def test_says_how_long_each_took(self, server: Server, tmp_path: Path) -> None:
        said: list[str] = []

        with Supervisor([server("one")], logs=tmp_path, say=said.append):
            pass

        assert [line.rpartition(" ready after ")[0] for line in said] == ["one:"]

    def test_a_program_that_ends_is_an_error_with_the_end_of_its_log(
        self, server: Server, tmp_path: Path, left_running: Names
    ) -> None:
        with pytest.raises(CommandError, match=r"bad ended with status 7 before it .*\n(.*\n)*bad says: the reason"):
            Supervisor([server("good"), server("bad", "fails")], logs=tmp_path).start()

        assert left_running() == []

    def test_a_program_that_is_never_ready_is_an_error(
        self, server: Server, tmp_path: Path, left_running: Names
    ) -> None:
        supervisor = Supervisor([server("deaf", "deaf")], logs=tmp_path, limits=Limits(ready_s=1))

        with pytest.raises(CommandError, match=r"deaf was not ready in 1 s\. (.|\n)*deaf says: the reason"):
            supervisor.start()

        assert left_running() == []

    def test_a_taken_port_is_said_with_its_variable_before_anything_starts(
        self, server: Server, journal: Names, tmp_path: Path
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            supervisor = Supervisor([server("first"), server("second", port=port)], logs=tmp_path)

            with pytest.raises(
                CommandError,
                match=rf"Port {port}, which second needs, is taken by .* or set SECOND_PORT to a free port",
            ):
                supervisor.start()

        assert journal() == []

    def test_keeps_the_log_of_the_run_before(self, server: Server, tmp_path: Path) -> None:
        process = server("one")
        for _ in range(2):
            with Supervisor([process], logs=tmp_path):
                pass

        line = "one says: line one\none says: the reason\n"
        assert [(tmp_path / name).read_text("utf-8") for name in ("one.log", "one.log.1")] == [line, line]


class TestStop:
    """From ready to nothing."""

    def test_the_last_stage_stops_first_and_completely(self, server: Server, journal: Names, tmp_path: Path) -> None:
        with Supervisor([server("early"), server("late", "slow", stage=1)], logs=tmp_path):
            pass

        assert journal()[-4:] == ["late told to stop", "late stopped", "early told to stop", "early stopped"]

    def test_stops_everything_when_the_block_raises(self, server: Server, tmp_path: Path, left_running: Names) -> None:
        with pytest.raises(ZeroDivisionError), Supervisor([server("one")], logs=tmp_path):
            _ = 1 / 0

        assert left_running() == []

    def test_kills_what_does_not_stop(self, server: Server, tmp_path: Path, left_running: Names) -> None:
        said: list[str] = []

        with Supervisor([server("one", "stubborn")], logs=tmp_path, limits=Limits(stop_s=0.3), say=said.append):
            pass

        assert said[-1] == "one: did not stop in 0.3 s, killed"
        assert left_running() == []

    def test_stopping_twice_is_harmless(self, server: Server, journal: Names, tmp_path: Path) -> None:
        with Supervisor([server("one")], logs=tmp_path) as supervisor:
            supervisor.stop()

        assert journal().count("one told to stop") == 1


class TestRestart:
    """One program, the others untouched."""

    def test_brings_one_back_ready_and_leaves_the_others_alone(
        self, server: Server, journal: Names, tmp_path: Path
    ) -> None:
        with Supervisor([server("one"), server("two")], logs=tmp_path) as supervisor:
            before = {name: supervisor.pid(name) for name in ("one", "two")}
            supervisor.restart("two")
            after = {name: supervisor.pid(name) for name in ("one", "two")}

            assert after["one"] == before["one"]
            assert after["two"] != before["two"]
            assert journal()[-3:] == ["two stopped", "two started", "two ready"]

    def test_can_be_a_crash(self, server: Server, journal: Names, tmp_path: Path) -> None:
        with Supervisor([server("one")], logs=tmp_path) as supervisor:
            supervisor.restart("one", kill=True)

            assert "one told to stop" not in journal()
            assert supervisor.running("one")

    def test_appends_to_the_log(self, server: Server, tmp_path: Path) -> None:
        with Supervisor([server("one")], logs=tmp_path) as supervisor:
            supervisor.restart("one")

            assert supervisor.log("one").read_text("utf-8").count("one says: line one") == 2

    def test_a_stopped_program_stays_away_until_restarted(self, server: Server, tmp_path: Path) -> None:
        with Supervisor([server("one")], logs=tmp_path) as supervisor:
            supervisor.stop_one("one")
            away = supervisor.running("one")
            supervisor.restart("one")

            assert (away, supervisor.running("one")) == (False, True)


class TestWait:
    """While it runs."""

    def test_a_program_that_ends_by_itself_is_an_error(self, server: Server, tmp_path: Path) -> None:
        with (
            Supervisor([server("one"), server("brief", "short")], logs=tmp_path) as supervisor,
            pytest.raises(CommandError, match=r"brief ended with status 5\. (.|\n)*brief says: the reason"),
        ):
            supervisor.wait()

    def test_returns_when_asked_to(self, server: Server, tmp_path: Path) -> None:
        answers = iter([False, True])
        with Supervisor([server("one")], logs=tmp_path) as supervisor:
            supervisor.wait(until=lambda: next(answers))

            assert supervisor.running("one")


SUPERVISE = """
import json, sys
from pathlib import Path
from whatsself_otel.stack.supervisor import Process, Supervisor
processes = [Process(**fields) for fields in json.loads(sys.argv[1])]
with Supervisor(processes, logs=Path(sys.argv[2]), say=lambda line: print(line, flush=True)) as supervisor:
    supervisor.wait()
"""


class TestDeath:
    """However the supervisor itself ends, nothing is left."""

    @pytest.mark.parametrize(
        "number",
        [
            signal.SIGINT,
            pytest.param(
                signal.SIGKILL, marks=pytest.mark.skipif(sys.platform != "linux", reason="the kernel of Linux does it")
            ),
        ],
    )
    def test_leaves_no_process(
        self, number: signal.Signals, server: Server, tmp_path: Path, left_running: Names
    ) -> None:
        supervisor = _supervise([server("one"), server("two", stage=1)], tmp_path)

        # To the whole group, as a terminal does on Ctrl-C.
        os.killpg(supervisor.pid, number)

        supervisor.wait()
        assert left_running() == []

    def test_ctrl_c_stops_in_order(self, server: Server, journal: Names, tmp_path: Path) -> None:
        supervisor = _supervise([server("early"), server("late", "slow", stage=1)], tmp_path)

        os.killpg(supervisor.pid, signal.SIGINT)

        supervisor.wait()
        assert journal()[-4:] == ["late told to stop", "late stopped", "early told to stop", "early stopped"]

    def test_a_second_ctrl_c_kills(self, server: Server, journal: Names, tmp_path: Path, left_running: Names) -> None:
        supervisor = _supervise([server("one", "stubborn")], tmp_path)

        os.killpg(supervisor.pid, signal.SIGINT)
        while "one told to stop" not in journal():
            time.sleep(0.02)
        os.killpg(supervisor.pid, signal.SIGINT)

        supervisor.wait()
        assert left_running() == []


def _supervise(processes: list[Process], tmp_path: Path) -> subprocess.Popen[str]:
    """Run a supervisor in a separate process and return it once all is ready."""
    fields = json.dumps([dataclasses.asdict(process) for process in processes])
    supervisor = subprocess.Popen(
        [sys.executable, "-c", SUPERVISE, fields, str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert supervisor.stdout is not None
    for _ in processes:
        assert "ready after" in supervisor.stdout.readline()
    supervisor.stdout.close()
    return supervisor
