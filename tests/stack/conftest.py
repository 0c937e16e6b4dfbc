"""Small real programs for the supervisor."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from leftovers import MARK, left_running  # noqa: F401 - a fixture

from whatsself_otel.stack.addresses import Addresses
from whatsself_otel.stack.supervisor import Process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
    """Return what the servers have written so far."""
    return lambda: (tmp_path / "journal").read_text("utf-8").splitlines() if (tmp_path / "journal").exists() else []
