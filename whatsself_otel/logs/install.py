"""
Our handler in the process's logging, at the one place that every record passes on its way out.

Applications and tools configure logging again at any time: handlers, levels and loggers of today say nothing about
tomorrow's. So nothing of theirs is touched. ``Logger.callHandlers`` sees to it that the handler is on the root logger,
and ``Handler.handle`` gives to it what a handler would write to the console.
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
"""Handlers that give their records to others, later or in another thread: what is exported is exported here."""

_SERVERS: Final = ("uvicorn", "uvicorn.error", "uvicorn.access", "gunicorn.error", "gunicorn.access")
"""Loggers that nobody disables on purpose: a configuration before the set-up did not name them, as Alembic's."""


class LoggingInstallation:
    """
    Everything in the process's logging that is ours, and how to take it out again.

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
        """Put the handler on the root logger and stand at the exits."""
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
        """Whether records reach the handler: it is on the root logger, or the next record puts it there."""
        return self.handler in logging.getLogger().handlers or logging.Logger.callHandlers is not self._exit_before

    def set_level(self, level: int) -> None:
        """Change the root logger's level."""
        self.level = level
        logging.getLogger().setLevel(level)

    def guard_process(self) -> None:
        """See to the end of this child of ``multiprocessing``."""
        if self._hooks is not None:
            self._hooks.guard_process()

    def uninstall(self) -> None:
        """Put everything back as it was found; what was configured since stays."""
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
        """Undo what a configuration does to loggers that it does not name: it disables them, for ever."""

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
    """Give *record* to *relay* and, if that lets it through, to *ours*; the copy that waits carries a mark."""
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
