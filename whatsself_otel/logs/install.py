"""
Put our handler into the process's logging, at the one place that every record passes.

Applications and tools configure logging again at any time, so today's handlers, levels and loggers say nothing about
tomorrow's. Therefore none of them is changed. ``Logger.callHandlers`` keeps our handler on the root logger, and
``Handler.handle`` gives it the records that another handler would write to the console.
"""

from __future__ import annotations

import logging
import logging.config
import logging.handlers
from typing import TYPE_CHECKING, Any, Final

from whatsself_otel.logs.consoles import Consoles
from whatsself_otel.logs.handler import FILED, RELAYED
from whatsself_otel.logs.hooks import Hooks, replace
from whatsself_otel.logs.levels import TRACE_LEVEL

if TYPE_CHECKING:
    from collections.abc import Callable

    from whatsself_otel.logs.handler import TelemetryHandler

_RELAYS: Final = (logging.handlers.QueueHandler, logging.handlers.MemoryHandler)
"""Handlers that pass records on, later or in another thread. Records are exported before they enter one."""

_SERVERS: Final = ("uvicorn", "uvicorn.error", "uvicorn.access", "gunicorn.error", "gunicorn.access")
"""Loggers that an application never disables on purpose. Alembic and others disable them by not naming them."""


class LoggingInstallation:
    """
    Our changes to the process's logging, and their removal.

    Args:
        handler: Takes every record.
        level: The root logger's, which configuration files do not raise.
    """

    def __init__(self, handler: TelemetryHandler, level: int) -> None:
        self.handler = handler
        self.level = level
        self._hooks: Hooks | None = None
        self._active = False
        self._exit_before: object = logging.Logger.callHandlers
        self._consoles = Consoles()
        self._root_level = logging.NOTSET
        self._undo: list[Callable[[], None]] = []

    def install(self) -> None:
        """Put the handler on the root logger and patch logging's exits."""
        root = logging.getLogger()
        if logging.getLevelName(TRACE_LEVEL) == f"Level {TRACE_LEVEL}":
            logging.addLevelName(TRACE_LEVEL, "TRACE")
        self._active = True
        self._root_level = root.level
        root.addHandler(self.handler)
        root.setLevel(self.level)
        disabled = [logger for logger in _loggers() if logger.name in _SERVERS and logger.disabled]
        self._enable(disabled)
        self._hooks = Hooks(self.handler)
        self._undo = [
            lambda: _disable(disabled),
            replace(logging.Logger, "callHandlers", self._call_handlers),
            replace(logging.Handler, "handle", self._handle),
            replace(logging.config.DictConfigurator, "configure", self._configure),
        ]
        if hasattr(logging.config, "_install_loggers"):  # what fileConfig() ends with
            self._undo.append(replace(logging.config, "_install_loggers", self._configure))

    @property
    def is_reached(self) -> bool:
        """Whether records reach the handler: it is on the root logger, or the next record will put it there."""
        return self.handler in logging.getLogger().handlers or logging.Logger.callHandlers is not self._exit_before

    def set_level(self, level: int) -> None:
        """Change the root logger's level."""
        self.level = level
        logging.getLogger().setLevel(level)

    def guard_process(self) -> None:
        """Log the end of this child of ``multiprocessing``."""
        if self._hooks is not None:
            self._hooks.guard_process()

    def uninstall(self) -> None:
        """Restore logging as it was found. Configuration made since then stays."""
        if not self._active or self._hooks is None:
            return
        self._active = False
        for undo in reversed(self._undo):
            undo()
        self._hooks.close()
        root = logging.getLogger()
        root.removeHandler(self.handler)
        if root.level == self.level:
            root.setLevel(self._root_level)

    def _call_handlers(self, before: Callable[..., None]) -> Callable[..., None]:
        handler, root, passing = self.handler, logging.getLogger(), self.handler.passing
        self._exit_before = before

        def call_handlers(logger: logging.Logger, record: logging.LogRecord) -> None:
            if handler not in root.handlers:  # somebody has configured logging again, or it is no longer ours
                if not self._active:
                    before(logger, record)
                    return
                root.addHandler(handler)
            outer = passing.record
            passing.record = None
            try:
                before(logger, record)
            except BaseException:
                handler.handle(record)  # another handler raised before it was reached
                raise
            finally:
                if passing.record is FILED:
                    handler.handle(record, write=False)
                passing.record = outer

        return call_handlers

    def _handle(self, before: Callable[..., Any]) -> Callable[..., Any]:
        ours, passing, consoles, root = self.handler, self.handler.passing, self._consoles, logging.getLogger()

        def handle(handler: logging.Handler, record: logging.LogRecord) -> Any:
            if not self._active:
                return before(handler, record)
            if handler in consoles:
                return bool(handler.filter(record)) and record.levelno >= ours.level and ours.handle(record)
            if isinstance(handler, _RELAYS):
                return _relay(before, handler, record, ours)
            if passing.record is None and isinstance(handler, logging.StreamHandler) and record.levelno >= root.level:
                passing.record = FILED
            return before(handler, record)

        return handle

    def _configure(self, before: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap a configuration function: enable the loggers again that it disabled because it does not name them."""

        def configure(*arguments: Any, **named: Any) -> Any:
            enabled = [logger for logger in _loggers() if not logger.disabled]
            try:
                return before(*arguments, **named)
            finally:
                if self._active:
                    self._enable(enabled)

        return configure

    def _enable(self, loggers: list[logging.Logger]) -> None:
        for logger in loggers:
            logger.disabled = False
        if logging.getLogger().level > self.level:
            logging.getLogger().setLevel(self.level)


def _relay(
    before: Callable[..., Any], relay: logging.Handler, record: logging.LogRecord, ours: TelemetryHandler
) -> Any:
    """Give *record* to *relay* and, if its filters allow it, to *ours*; mark the copy that waits."""
    marks = vars(record)
    known = marks.get(RELAYED, False)
    marks[RELAYED] = True
    passed = before(relay, record)
    if not known:
        del marks[RELAYED]
        if passed and ours.handle(record):
            marks[RELAYED] = True
    return passed


def _disable(loggers: list[logging.Logger]) -> None:
    for logger in loggers:
        logger.disabled = True


def _loggers() -> list[logging.Logger]:
    return [logger for logger in list(logging.root.manager.loggerDict.values()) if isinstance(logger, logging.Logger)]
