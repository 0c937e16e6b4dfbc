"""Where the stack that runs can be asked, native or in containers."""

from __future__ import annotations

from whatsself_otel.cli.stack import Running
from whatsself_otel.stack import containers
from whatsself_otel.stack.addresses import Addresses
from whatsself_otel.stack.paths import data_dir


def running_addresses() -> Addresses:
    """Return where the programs of the stack that runs listen; where they usually do if none runs."""
    running = Running.read(data_dir())
    if running is not None:
        return Addresses(ports=running.ports)
    return containers.running() or Addresses.from_environment()
