"""A real Redis of the tests' own, empty, on a free port of the loopback."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

from binaries import free_ports
from postgres_server import wait_for_port

if TYPE_CHECKING:
    from collections.abc import Iterator


def absent() -> str | None:
    """Why it cannot be run on this machine, or None."""
    if sys.platform == "win32":
        return "Redis has no server for Windows"
    if shutil.which("redis-server") is None:
        return "redis-server is not on this machine (Debian: apt-get install redis-server)"
    return None


@contextmanager
def run_redis() -> Iterator[str]:
    """Run a server until the block ends; gives its URL."""
    (port,) = free_ports(1)
    with tempfile.TemporaryDirectory() as folder:
        options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
        server = subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL)
        try:
            wait_for_port(port)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            server.terminate()
            server.wait(timeout=30)


def wait_until_it_answers(url: str) -> None:
    """Wait until the server has loaded; it listens a moment earlier."""
    from redis import Redis

    with Redis.from_url(url) as client:
        assert client.ping()


def empty(url: str) -> None:
    """Forget every key."""
    from redis import Redis

    with Redis.from_url(url) as client:
        client.flushall()
