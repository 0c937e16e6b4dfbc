"""A bridge in a thread of this process, or as the command that an operator starts."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from whatsself_otel.bridge.config import BridgeConfig
from whatsself_otel.bridge.server import Bridge

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from whatsself_otel import Telemetry
    from whatsself_otel.bridge.polling import Poll


@contextmanager
def running_bridge(telemetry: Telemetry, *, polls: Iterable[Poll] = (), **settings: Any) -> Iterator[Bridge]:
    """Run a bridge on a free port until the block ends."""
    bridge = Bridge(BridgeConfig(**{"port": 0, **settings}), telemetry, polls)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    asyncio.run_coroutine_threadsafe(bridge.__aenter__(), loop).result(10)
    try:
        yield bridge
    finally:
        asyncio.run_coroutine_threadsafe(bridge.__aexit__(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@dataclass
class BridgeProcess:
    """``whatsself-otel bridge`` while it runs."""

    process: subprocess.Popen[str]
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, and return the exit status."""
        self.process.send_signal(number)
        status = self.process.wait(60)
        assert self.process.stderr is not None
        self.process.stderr.close()
        return status


def start_bridge(*arguments: str, environ: dict[str, str], port: int = 0) -> BridgeProcess:
    """Start the command and wait until it listens; it writes nothing more to its standard error."""
    command = [sys.executable, "-m", "whatsself_otel.cli", "bridge", "--listen", f"127.0.0.1:{port}", *arguments]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env={**os.environ, **environ}
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("Listening "):
            return BridgeProcess(process, int(line.rpartition(":")[2]))
    raise AssertionError(f"the bridge ended with {process.wait(10)}")
