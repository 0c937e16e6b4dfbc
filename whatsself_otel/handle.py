"""The one global of this package: the running telemetry of this process."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from whatsself_otel.setup import Telemetry


@dataclass(slots=True)
class Handle:
    """Holds the telemetry that `setup_telemetry` started."""

    running: Telemetry | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def forget(self, telemetry: Telemetry) -> None:
        """Hold *telemetry* no longer."""
        if self.running is telemetry:
            self.running = None


HANDLE: Final = Handle()
