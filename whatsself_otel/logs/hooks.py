"""Hooks for output that passes no logger: uncaught exceptions, failing handlers, warnings."""

from __future__ import annotations

import contextlib
import functools
import io
import logging
import multiprocessing
import sys
import threading
import traceback
import warnings
from typing import TYPE_CHECKING, Any, Final, TextIO

from whatsself_otel.logs.fields import safe_str
from whatsself_otel.logs.handler import UNCAUGHT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from whatsself_otel.logs.handler import TelemetryHandler

_DEFAULTS: Final = (sys.__excepthook__, threading.__excepthook__, sys.__unraisablehook__)
"""Python's own hooks, which print the exception unmasked; ours replace them."""
_STDERR: Final = threading.RLock()
"""Held while standard error is replaced: a process has only one."""


class Hooks:
    """
    Replacements for Python's hooks. Each calls the previous hook, unless that one only prints.

    Args:
        handler: Masks and takes what comes.
    """

    def __init__(self, handler: TelemetryHandler) -> None:
        self.active = True
        self._handler = handler
        self._undo = [
            replace(sys, "excepthook", self._excepthook),
            replace(threading, "excepthook", self._thread_hook),
            replace(sys, "unraisablehook", self._unraisable_hook),
            replace(warnings, "showwarning", self._show_warning),
            replace(logging.Handler, "handleError", self._handle_error),
        ]

    def close(self) -> None:
        """Restore every hook that no other code has replaced since. A replaced hook of ours passes everything on."""
        self.active = False
        for undo in reversed(self._undo):
            undo()

    def _excepthook(self, before: Callable[..., Any]) -> Callable[..., None]:
        def excepthook(kind: type[BaseException], error: BaseException, stack: TracebackType | None) -> None:
            if not self.active:
                before(kind, error, stack)
                return
            if not issubclass(kind, KeyboardInterrupt):
                self._log("uncaught exception", (kind, error, stack))
            elif before in _DEFAULTS:
                self._show_interrupt(kind, error, stack)
            self._pass_on(before, kind, error, stack)

        return excepthook

    def _thread_hook(self, before: Callable[..., Any]) -> Callable[..., None]:
        def excepthook(found: threading.ExceptHookArgs) -> None:
            if not self.active:
                before(found)
                return
            if not issubclass(found.exc_type, SystemExit) and found.exc_value is not None:
                self._log("uncaught exception in a thread", (found.exc_type, found.exc_value, found.exc_traceback))
            self._pass_on(before, found)

        return excepthook

    def _unraisable_hook(self, before: Callable[..., Any]) -> Callable[..., None]:
        def unraisablehook(found: sys.UnraisableHookArgs) -> None:
            if not self.active:
                before(found)
                return
            where = found.err_msg or "Exception ignored in"
            error = (found.exc_type, found.exc_value, found.exc_traceback)
            self._log(f"{where}: {_repr(found.object)}", error, logging.ERROR)
            self._pass_on(before, found)

        return unraisablehook

    def _show_warning(self, before: Callable[..., Any]) -> Callable[..., None]:
        def showwarning(  # noqa: PLR0917 - the signature of warnings.showwarning()
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if not self.active or file is not None:
                before(message, category, filename, lineno, file, line)
            else:
                text = warnings.formatwarning(message, category, filename, lineno, line)
                logging.getLogger("py.warnings").warning("%s", text)

        return showwarning

    def _handle_error(self, before: Callable[..., Any]) -> Callable[..., None]:
        def handle_error(handler: logging.Handler, record: logging.LogRecord) -> None:
            if not self.active:
                before(handler, record)
            elif logging.raiseExceptions:
                what = f"{type(handler).__name__} could not write a record of {record.name}"
                self._take("logging", logging.ERROR, what, sys.exc_info())

        return handle_error

    def guard_process(self) -> None:
        """Log the exception that ends this child of ``multiprocessing``, which prints it and calls no hook."""
        process = multiprocessing.current_process()
        process.run = functools.partial(self._run_process, process.run)  # type: ignore[method-assign]

    def _run_process(self, run: Callable[[], None]) -> None:
        try:
            run()
        except SystemExit:
            raise
        except BaseException as error:
            if not self.active:
                raise
            found = (type(error), error, error.__traceback__)
            if isinstance(error, KeyboardInterrupt):
                self._show_interrupt(*found)
            else:
                self._log("uncaught exception in a process", found)
            sys.exit(1)  # as multiprocessing ends it

    def _log(self, message: str, error: Any, level: int = logging.CRITICAL) -> None:
        """Log to the logger for uncaught exceptions, or straight to our handler if that logger is disabled."""
        try:
            logger = logging.getLogger(UNCAUGHT)
            if logger.isEnabledFor(level):
                logger.log(level, "%s", message, exc_info=error)
            else:
                self._take(UNCAUGHT, level, message, error)
        except Exception:  # noqa: BLE001 - a hook that raises has both exceptions printed
            self._take(UNCAUGHT, level, message, error)

    def _take(self, name: str, level: int, message: str, error: Any) -> None:
        with contextlib.suppress(Exception):
            self._handler.handle(logging.LogRecord(name, level, "", 0, "%s", (message,), error))

    def _show_interrupt(self, *error: Any) -> None:
        """Print Ctrl-C as Python does, with its traceback masked."""
        with contextlib.suppress(Exception):
            sys.stderr.write(self._handler.masker.text("".join(traceback.format_exception(*error))))
            sys.stderr.flush()

    def _pass_on(self, hook: Callable[..., Any], *arguments: Any) -> None:
        """Call the previous *hook*; mask its output to standard error."""
        if hook in _DEFAULTS:
            return
        try:
            with self._masked_errors():
                hook(*arguments)
        except Exception as error:  # noqa: BLE001 - as above
            self._log("a hook for exceptions failed", (type(error), error, error.__traceback__), logging.ERROR)

    @contextlib.contextmanager
    def _masked_errors(self) -> Iterator[None]:
        held = io.StringIO()
        # Two threads that fail at one moment would each put back what the other had put there.
        with _STDERR:
            before, sys.stderr = sys.stderr, held
            try:
                yield
            finally:
                sys.stderr = before
        if text := held.getvalue():
            before.write(self._handler.masker.text(text))
            before.flush()


def replace(owner: Any, name: str, make: Callable[[Any], Any]) -> Callable[[], None]:
    """
    Replace *owner*'s attribute *name* by ``make(old value)``.

    Returns:
        What puts it back, unless somebody has put another in its place.
    """
    before = getattr(owner, name)
    ours = make(before)
    setattr(owner, name, ours)

    def undo() -> None:
        if getattr(owner, name) is ours:
            setattr(owner, name, before)

    return undo


def _repr(value: object) -> str:
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 - an object may forbid to be shown
        return safe_str(type(value))
