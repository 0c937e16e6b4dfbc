"""Runs small programs beside a receiver and says what left them: lines, raw text and exported records."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent
from typing import Any

import httpx
from children import environment
from otlp_sink import Log, Sink

PHONE = "5511987654321"
MASKED = "+55********4321"
SET_UP = "from whatsself_otel import setup_telemetry\ntelemetry = setup_telemetry()\n"


@dataclass(frozen=True)
class Ran:
    """A program's output, exports and exit status."""

    status: int
    stdout: str
    stderr: str
    exported: list[Log] = field(default_factory=list)
    raw: bytes = b""

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stdout.splitlines() if line.startswith("{")]

    def messages(self, logger: str) -> list[Any]:
        """The exported messages of *logger*."""
        return [record.body for record in self.exported if record.scope == logger]

    def written(self, logger: str) -> list[Any]:
        """What *logger* wrote to standard output."""
        return [line["msg"] for line in self.lines if line["logger"] == logger]

    def assert_no_phone(self) -> None:
        everything = self.stdout + self.stderr + self.raw.decode("utf-8", "replace")
        assert PHONE[4:] not in everything, everything


def run(sink: Sink, folder: Path, program: str, *arguments: str, **variables: str) -> Ran:
    """Run *program* to its end; the sink holds its exports."""
    path = folder / "program.py"
    path.write_text(dedent(program), encoding="utf-8")
    return run_command(sink, folder, [sys.executable, str(path), *arguments], **variables)


def run_command(sink: Sink, folder: Path, command: list[str], **variables: str) -> Ran:
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment({"OTEL_EXPORTER_OTLP_ENDPOINT": sink.url, "PYTHONIOENCODING": "utf-8", **variables}),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    raw = b"".join(export.body + repr(export.headers).encode() for export in sink.received)
    return Ran(done.returncode, done.stdout, done.stderr, sink.logs(), raw)


@contextmanager
def running(sink: Sink, folder: Path, command: list[str], **variables: str) -> Iterator[Callable[[], str]]:
    """Run *command* inside the block and end it after; return a function that reads its output so far."""
    output = folder / "output"
    settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.url, "OTEL_BLRP_SCHEDULE_DELAY": "100", **variables}
    with output.open("wb") as file:
        process = subprocess.Popen(command, cwd=folder, env=environment(settings), stdout=file, stderr=file)
    try:
        yield lambda: output.read_text("utf-8", "replace")
    finally:
        process.terminate()
        try:
            process.wait(60)
        finally:
            process.kill()


def wait_for(look: Callable[[], Any], said: Callable[[], object] = str, timeout_s: float = 90.0) -> Any:
    """Wait until *look* finds something and return it."""
    end_s = time.monotonic() + timeout_s
    while not (found := look()):
        assert time.monotonic() < end_s, f"not seen within {timeout_s:g} s: {said()}"
        time.sleep(0.05)
    return found


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


def ask(url: str) -> str:
    """Return status and body of the answer, once the server takes connections."""

    def answer() -> str | None:
        try:
            found = httpx.get(url, trust_env=False, timeout=60)
        except httpx.ConnectError:
            return None
        return f"{found.status_code} {found.text}"

    text: str = wait_for(answer)
    return text
