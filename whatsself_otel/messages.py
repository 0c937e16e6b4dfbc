"""Log messages of this package, through the application's logging, whose handlers may raise."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, Final


@dataclass(slots=True)
class LostMessages:
    """Messages of this process that a handler refused, for `Telemetry.health`."""

    count: int = 0
    error: str = ""

    def problem(self, before: int) -> str | None:
        """Return a problem if more messages than *before* were lost, else None."""
        if self.count == before:
            return None
        return (
            f"A log handler of the application raises {self.error}: messages of whatsself_otel were lost "
            f"({self.count - before}). Mend the handler, or take it from the root logger."
        )


LOST: Final = LostMessages()


class OwnLogger(logging.LoggerAdapter[logging.Logger]):
    """
    A logger that never raises.

    `logging` passes on an error that `Handler.emit` raises. It would reach the application's call, or end the exporting
    thread.

    Args:
        name: Name of the logger.
    """

    def __init__(self, name: str) -> None:
        super().__init__(logging.getLogger(name), {})

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        """Write one message, or count that it was lost."""
        try:
            self.logger.log(level, msg, *args, **{"stacklevel": 2, **kwargs})
        except Exception as error:  # noqa: BLE001 - whatever a handler or filter of the application raises
            LOST.count += 1
            LOST.error = type(error).__name__
