"""Where the tests find the real programs, and how they run them: the one place that knows."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from children import environment

from whatsself_otel.stack import gates
from whatsself_otel.stack.native import find_binary, remedy

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ROOT = Path(__file__).parent.parent.parent
COLLECTOR = "otelcol-whatsself"


def find(name: str) -> Path | None:
    """Return program *name*: from its variable, else the native cache, else PATH."""
    return find_binary(name)


def need(name: str) -> Path:
    """Return program *name*, or skip the test and say how to get it."""
    found = find(name)
    if found is None:
        pytest.skip(f"{name} is not here. {remedy(name)}")
    return found


def free_ports(count: int) -> list[int]:
    """Return *count* different free ports of the loopback."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def run_once(
    command: Sequence[str | Path], environ: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run *command* to its end with only the given environment."""
    return subprocess.run(
        [str(part) for part in command],
        env=environment(environ),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A program to keep running: how to start it and how to know that it is ready."""

    command: Sequence[str | Path]
    ready_url: str
    environ: Mapping[str, str]
    log: Path
    ready_timeout_s: float = 60.0


@contextmanager
def running(program: Program) -> Iterator[subprocess.Popen[bytes]]:
    """Run *program* until the block ends; it is ready inside the block."""
    with program.log.open("ab") as log:
        process = subprocess.Popen(
            [str(part) for part in program.command], env=environment(program.environ), stdout=log, stderr=log
        )
    try:
        _wait_until_ready(process, program)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def get(url: str, timeout_s: float = 5.0) -> bytes | None:
    """Return what *url* answers, or None when it does not answer well."""
    try:
        with urllib.request.urlopen(url, timeout=timeout_s) as answer:
            body: bytes = answer.read()
    except urllib.error.HTTPError as error:
        error.close()
        return None
    except OSError:
        return None
    return body


def _wait_until_ready(process: subprocess.Popen[bytes], program: Program) -> None:
    deadline_s = time.monotonic() + program.ready_timeout_s
    while get(program.ready_url) is None:
        if process.poll() is not None or time.monotonic() > deadline_s:
            log = program.log.read_text(errors="replace")[-3000:]
            raise AssertionError(f"{program.command[0]} was not ready at {program.ready_url}:\n{log}")
        time.sleep(0.05)


@dataclass(frozen=True, slots=True, kw_only=True)
class Collector:
    """A running collector and where it listens."""

    http_url: str
    grpc_address: str
    metrics_url: str
    log: Path
    process: subprocess.Popen[bytes]


def config_arguments(*vendors: str) -> list[str]:
    """Return the arguments that give the collector its base and these vendor files, or ``scale/agent`` and the like."""
    names = ["config", "masking", *(name if "/" in name else f"vendors/{name}" for name in vendors)]
    return [f"--config={ROOT / f'collector/{name}.yaml'}" for name in names]


@contextmanager
def run_collector(
    *vendors: str,
    environ: Mapping[str, str] | None = None,
    folder: Path | None = None,
    settings: Sequence[str] = (),
    files: Sequence[str] = (),
    sources: Sequence[str] = (),
    gated: Sequence[str] = (),
) -> Iterator[Collector]:
    """
    Run the real collector with the base, *sources* and *vendors* on free ports.

    Args:
        vendors: Names of files in collector/vendors.
        environ: Variables for the vendor files.
        folder: Where its queue and log go; a new temporary folder if None.
        settings: Single settings over all files, for example ``exporters::otlp_http/otlp::timeout: 1s``.
        files: More configuration after those of *vendors*, each as the collector takes it.
        sources: Names of files in collector/sources.
        gated: Those of *vendors* that stand behind a gate.
    """
    binary = need(COLLECTOR)
    more = [*files, *(f"yaml:{each}" for each in settings)]
    grpc, http, health, metrics = free_ports(4)
    with tempfile.TemporaryDirectory() as temporary:
        home = folder or Path(temporary)
        ports = {
            "OTELCOL_GRPC_PORT": str(grpc),
            "OTELCOL_HTTP_PORT": str(http),
            "OTELCOL_HEALTH_PORT": str(health),
            "OTELCOL_METRICS_PORT": str(metrics),
            "OTELCOL_QUEUE_DIR": str(home / "queue"),
            gates.VARIABLE: str(gates.folder(home / "queue")),
        }
        gates.clear(gates.folder(home / "queue"))
        program = Program(
            command=[
                binary,
                *config_arguments(*vendors),
                *(f"--config={ROOT / f'collector/sources/{name}.yaml'}" for name in sources),
                *(f"--config={ROOT / f'collector/gates/{name}.yaml'}" for name in gated),
                *(f"--config={each}" for each in more),
                "--feature-gates=stanza.synchronousLogEmitter",
            ],
            ready_url=f"http://127.0.0.1:{health}/",
            environ={**ports, **(environ or {})},
            log=home / "collector.log",
        )
        try:
            with running(program) as process:
                yield Collector(
                    http_url=f"http://127.0.0.1:{http}",
                    grpc_address=f"127.0.0.1:{grpc}",
                    metrics_url=f"http://127.0.0.1:{metrics}/metrics",
                    log=program.log,
                    process=process,
                )
        finally:
            shutil.rmtree(gates.folder(home / "queue"))


def post_otlp(url: str, message: object) -> None:
    """
    Send one OTLP request message to *url* as protobuf over HTTP.

    Its bound is only for what hangs: a busy machine may take long, and the collector itself gives up after 30 s.
    """
    body: bytes = message.SerializeToString()  # type: ignore[attr-defined]
    request = urllib.request.Request(url, body, {"content-type": "application/x-protobuf"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert answer.status < 300
