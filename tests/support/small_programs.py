"""Small real programs for the supervisor, and a search for leftovers by a mark in their environment."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from whatsself_otel.stack.addresses import Addresses
from whatsself_otel.stack.supervisor import Process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MARK = "WHATSSELF_TEST_MARK"
SERVER = Path(__file__).parent / "small_server.py"


@pytest.fixture
def free_port() -> Callable[[], int]:
    """Give a port that is free, another one each time."""
    ports: Iterator[int] = iter(Addresses.free().ports.values())
    return lambda: next(ports)


@pytest.fixture
def server(tmp_path: Path, free_port: Callable[[], int]) -> Callable[..., Process]:
    """Make a process that serves HTTP and writes its start and its end into one journal."""

    def make(name: str, *flags: str, stage: int = 0, port: int | None = None) -> Process:
        port = port or free_port()
        return Process(
            name=name,
            command=[sys.executable, str(SERVER), name, str(port), str(tmp_path / "journal"), *flags],
            ready_url=f"http://127.0.0.1:{port}",
            ports={f"{name.upper()}_PORT": port},
            environment={MARK: str(tmp_path)},
            stage=stage,
        )

    return make


@pytest.fixture
def journal(tmp_path: Path) -> Callable[[], list[str]]:
    """Return the servers' output so far."""
    return lambda: (tmp_path / "journal").read_text("utf-8").splitlines() if (tmp_path / "journal").exists() else []


@pytest.fixture
def left_running(tmp_path: Path) -> Callable[..., list[str]]:
    """Return the command lines of programs that a test started and that still run after a moment."""

    def wait_for_none(wait_s: float = 5.0) -> list[str]:
        deadline = time.monotonic() + wait_s
        while (found := _marked(str(tmp_path))) and time.monotonic() < deadline:
            time.sleep(0.05)
        return found

    return wait_for_none


def _marked(mark: str) -> list[str]:
    wanted = f"{MARK}={mark}".encode()
    return [
        (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        for folder in Path("/proc").glob("[0-9]*")
        if int(folder.name) != os.getpid() and wanted in _environment(folder).split(b"\0")
    ]


def _environment(folder: Path) -> bytes:
    try:
        return (folder / "environ").read_bytes()
    except OSError:
        return b""
