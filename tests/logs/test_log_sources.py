"""Output of other code and uncaught exceptions become one masked line each, in real processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from otlp_sink import Sink

from whatsself_otel import Telemetry

Start = Callable[..., Telemetry]
PHONE = "5511987654321"
MASKED = "+55********4321"
SET_UP = "from whatsself_otel import setup_telemetry, TelemetryConfig; setup_telemetry()\n"
QUIET = {"OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}


def run(program: str, **environment: str) -> tuple[list[dict[str, Any]], str]:
    """Run *program* after a set-up; its lines, and its standard error."""
    done = subprocess.run(
        [sys.executable, "-c", SET_UP + program],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **QUIET, **environment},
        timeout=60,
    )
    assert PHONE[4:] not in done.stdout + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr


class TestWhatNobodyCaught:
    def test_ends_the_program_with_a_masked_record_instead_of_a_traceback(self) -> None:
        lines, errors = run(f"raise ValueError('to +{PHONE}')")

        assert (lines[-1]["logger"], lines[-1]["level"]) == ("uncaught", "fatal")
        assert lines[-1]["err"]["message"] == f"to {MASKED}"
        assert "Traceback" not in errors

    def test_is_shown_on_standard_error_where_lines_are_not_written(self) -> None:
        lines, errors = run(f"raise ValueError('to +{PHONE}')", WHATSSELF_OTEL_LOG_TO_STDOUT="false")

        assert lines == []
        assert f"to {MASKED}" in errors

    def test_ctrl_c_is_no_error_of_the_program(self) -> None:
        lines, errors = run("raise KeyboardInterrupt")

        assert [line for line in lines if line["logger"] == "uncaught"] == []
        assert errors.endswith("KeyboardInterrupt\n")

    def test_a_thread_that_exits_is_no_error_of_the_program(self) -> None:
        lines, errors = run(
            "import sys, threading\nthread = threading.Thread(target=sys.exit); thread.start(); thread.join()"
        )

        assert ([line for line in lines if line["logger"] == "uncaught"], errors) == ([], "")

    def test_goes_to_the_hooks_that_came_after_ours_once_all_has_ended(self) -> None:
        lines, _ = run(
            "import sys, threading\n"
            "import whatsself_otel\n"
            'def theirs(*_): print(\'{"logger": "theirs"}\')\n'
            "sys.excepthook = threading.excepthook = theirs\n"
            "setup_telemetry().shutdown()\n"
            "thread = threading.Thread(target=int, args=('x',)); thread.start(); thread.join()\n"
            "raise ValueError"
        )

        assert [line["logger"] for line in lines[-2:]] == ["theirs", "theirs"]

    def test_has_its_causes_notes_and_groups(self) -> None:
        lines, _ = run(
            f"error = ExceptionGroup('two for +{PHONE}', [ValueError('first +{PHONE}'), KeyError('second')])\n"
            f"error.add_note('note +{PHONE}')\n"
            f"raise RuntimeError('all') from error"
        )

        stack = lines[-1]["err"]["stack"]
        words = ("two for", "first", "second", "note", "direct cause")
        assert [word for word in words if word not in stack] == []
        assert stack.count(MASKED) >= 3

    def test_in_a_task_of_asyncio_is_a_record(self) -> None:
        lines, _ = run(
            "import asyncio\n"
            f"async def fail(): raise ValueError('to +{PHONE}')\n"
            "async def main():\n"
            "    task = asyncio.ensure_future(fail()); await asyncio.wait([task]); del task\n"
            "asyncio.run(main())"
        )

        assert [line["err"]["message"] for line in lines if line["logger"] == "asyncio"] == [f"to {MASKED}"]

    def test_in_a_thread_is_a_record(self) -> None:
        lines, errors = run(
            "import threading\n"
            f"def fail(): raise ValueError('to +{PHONE}')\n"
            "thread = threading.Thread(target=fail); thread.start(); thread.join()"
        )

        assert [line["err"]["message"] for line in lines if line["logger"] == "uncaught"] == [f"to {MASKED}"]
        assert "Traceback" not in errors


class TestOthers:
    def test_warnings_are_lines(self) -> None:
        lines, errors = run(f"import warnings; warnings.warn('old +{PHONE}')")

        assert [MASKED in line["msg"] for line in lines if line["logger"] == "py.warnings"] == [True]
        assert "old" not in errors

    def test_httpx_names_no_phone_and_no_password(self, start: Start, sink: Sink) -> None:
        telemetry = start()
        transport = httpx.MockTransport(lambda _request: httpx.Response(200))
        with httpx.Client(transport=transport) as client:
            client.get(f"https://user:s3cr3t@api.example.com/contacts/{PHONE}?to=%2B{PHONE}&token=t0k3n")
        assert telemetry.force_flush(30)

        (line,) = [log.body for log in sink.logs() if log.scope == "httpx"]
        assert "HTTP Request: GET https://" in line
        assert [word for word in (PHONE[2:], "s3cr3t", "t0k3n") if word in line] == []

    def test_gunicorns_lines_are_masked(self, tmp_path: Path) -> None:
        (tmp_path / "shop.py").write_text(
            "import logging\nfrom fastapi import FastAPI\nfrom whatsself_otel import setup_telemetry\n"
            "app = FastAPI()\nsetup_telemetry(app)\n"
            "@app.get('/contacts/{phone}')\n"
            "def read(phone: str): logging.getLogger('gunicorn.error').warning('slow for %s', phone)\n",
            encoding="utf-8",
        )
        output = tmp_path / "output"
        arguments = "-m gunicorn -k uvicorn_worker.UvicornWorker -b 127.0.0.1:0 --access-logfile - shop:app"
        command = [sys.executable, *arguments.split()]
        with output.open("wb") as file:
            server = subprocess.Popen(
                command, cwd=tmp_path, stdout=file, stderr=subprocess.STDOUT, env={**os.environ, **QUIET}
            )
        try:
            port = wait_for(lambda: port_in(output.read_text(encoding="utf-8")))
            httpx.get(f"http://127.0.0.1:{port}/contacts/{PHONE}?to=%2B{PHONE}", trust_env=False, timeout=60)
            wait_for(lambda: output.read_text(encoding="utf-8").count(MASKED) >= 3)
        finally:
            server.terminate()
            server.wait(20)

        text = output.read_text(encoding="utf-8")
        lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
        assert [line["msg"] for line in lines if line["logger"] == "gunicorn.error" and "slow" in line["msg"]] == [
            f"slow for {MASKED}"
        ]
        assert any("GET /contacts/" in line["msg"] and line["logger"].endswith("access") for line in lines)
        assert PHONE[2:] not in text


class TestTerminal:
    def test_shows_coloured_text_and_anything_else_json(self) -> None:
        program = SET_UP + f"import logging; logging.getLogger('shop').warning('to +{PHONE}', extra={{'depth': 3}})"
        leader, follower = pytest.importorskip("pty", reason="no pseudo-terminals here").openpty()
        done = subprocess.run(
            [sys.executable, "-c", program], stdout=follower, check=True, env={**os.environ, **QUIET}, timeout=60
        )
        os.close(follower)
        shown = os.read(leader, 100_000).decode()
        os.close(leader)

        assert done.returncode == 0
        assert f"\x1b[33mWARN \x1b[0m to {MASKED}" in shown
        assert "depth=3" in shown
        assert '{"level"' not in shown


def wait_for(look: Callable[[], Any], timeout_s: float = 30.0) -> Any:
    end_s = time.monotonic() + timeout_s
    while not (found := look()):
        assert time.monotonic() < end_s, f"not seen within {timeout_s:g} s"
        time.sleep(0.05)
    return found


def port_in(text: str) -> int | None:
    """The port of gunicorn's line ``Listening at: http://127.0.0.1:41234``."""
    _, found, rest = text.partition("Listening at: http://127.0.0.1:")
    return int(rest.split()[0]) if found and " " in rest else None
