"""A real PostgreSQL server of the tests' own, empty, on a free port of the loopback."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from binaries import free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAMS = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)
"""Debian keeps the server's programs off PATH."""


def find(program: str) -> str | None:
    return shutil.which(program) or (shutil.which(program, path=str(PROGRAMS)) if PROGRAMS else None)


def absent() -> str | None:
    """Why it cannot be run on this machine, or None."""
    if sys.platform == "win32":
        return "starts the server in the manner of POSIX"
    if find("initdb") is None or find("postgres") is None:
        return "PostgreSQL's server is not on this machine"
    if importlib.util.find_spec("asyncpg") is None:
        return "asyncpg (extra [postgres]) is missing"
    return None


@contextmanager
def run() -> Iterator[str]:
    """Run a server until the block ends; gives its URL."""
    # The server refuses to run as root, and its folder must be its own.
    owner: dict[str, Any] = {"user": "postgres"} if os.geteuid() == 0 else {}
    with tempfile.TemporaryDirectory() as folder:
        if owner:
            shutil.chown(folder, "postgres")
        data = f"{folder}/data"
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder, **owner}
        subprocess.run([str(find("initdb")), "-D", data, "-A", "trust", "-U", "demo"], check=True, **quiet)
        (port,) = free_ports(1)
        options = ["-p", str(port), "-k", folder, "-c", "listen_addresses=127.0.0.1"]
        server = subprocess.Popen([str(find("postgres")), "-D", data, *options], **quiet)
        try:
            wait_for_port(port)
            yield f"postgresql://demo@127.0.0.1:{port}/postgres"
        finally:
            server.terminate()
            server.wait(timeout=30)


def wait_for_port(port: int) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert time.monotonic() < deadline, "PostgreSQL did not start"
            time.sleep(0.1)
        else:
            return
