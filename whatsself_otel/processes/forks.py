"""Work of a forked child before anything else: replace locks, threads, queues and connections of its parent."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_LONGEST_WAIT_S: Final = 1.0
"""Longest wait of a fork for a lock's holder: a blocked reader must not stop forks."""


def run_in_child(method: Callable[[], Any]) -> None:
    """
    Call the bound *method* in every child forked from now on, while its object lives.

    Hooks run in order of registration, the SDK's among them. An object that records metrics in its hook must be made
    after the meter provider, whose hook replaces locks that the parent may have held.

    Args:
        method: A bound method that neither waits nor raises.
    """
    if not hasattr(os, "register_at_fork"):
        return
    os.register_at_fork(after_in_child=_Hook(method))


def run_after_fork(*, in_parent: Callable[[], Any], in_child: Callable[[], Any]) -> None:
    """
    Call a bound method on each side of every fork from now on, while its object lives.

    Args:
        in_parent: Called in the process that forked; neither waits nor raises.
        in_child: Called in the child; neither waits nor raises.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_parent=_Hook(in_parent), after_in_child=_Hook(in_child))


def is_one_of_several_workers(environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether a server has started this process as one of its workers, as far as it can know."""
    concurrency = environ.get("WEB_CONCURRENCY", "1")
    many = concurrency.isdigit() and int(concurrency) > 1
    spawned = multiprocessing.parent_process() is not None and "--reload" not in sys.argv
    return many or spawned or "gunicorn.arbiter" in sys.modules


class Termination:
    """
    Handle SIGTERM in a child of ``multiprocessing``: finish first, then end the process as by default.

    ``Process.terminate()`` and ``Pool.terminate()`` send SIGTERM. The main thread may wait in C for a lock, where no
    Python handler runs, and its parent waits for it. So a thread reads the signal's number from Python's wake-up file.

    Args:
        finish: Called in a thread of its own, and again if somebody has begun to finish: it must wait for that.
        timeout_s: Seconds that it may take.
    """

    def __init__(self, finish: Callable[[], Any], timeout_s: float) -> None:
        self._finish = finish
        self._timeout_s = timeout_s
        self._begun = threading.Lock()
        self._ends: tuple[int, int] | None = None
        self._mask: set[Any] | None = None

    def install(self) -> None:
        """Handle SIGTERM in the main thread, if no other code handles it and the process has no wake-up file."""
        if threading.current_thread() is not threading.main_thread() or os.name == "nt":
            return
        if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
            return
        reader, writer = self._ends = os.pipe()
        os.set_blocking(writer, False)
        before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        if before != -1:
            signal.set_wakeup_fd(before)
            self._close()
            return
        signal.signal(signal.SIGTERM, self._handle)
        hooks = _Hook(self._hold), _Hook(self._release), _Hook(self._forget)
        os.register_at_fork(before=hooks[0], after_in_parent=hooks[1], after_in_child=hooks[2])
        threading.Thread(target=self._watch, args=(reader,), name="whatsself-otel-sigterm", daemon=True).start()

    def put_back(self) -> None:
        """Let SIGTERM end the process as by default again, if this is the main thread, which alone may change it."""
        if self._ends is None or threading.current_thread() is not threading.main_thread():
            return
        if signal.getsignal(signal.SIGTERM) == self._handle:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        fd = signal.set_wakeup_fd(-1)
        if fd not in (-1, self._ends[1]):
            signal.set_wakeup_fd(fd)  # somebody else's
        os.close(self._ends[1])  # the thread reads the end of the file, and ends
        self._ends = None

    def _hold(self) -> None:
        """Before a fork: hold a SIGTERM for the child until it has forgotten its parent's file."""
        if self._ends is not None:
            self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})

    def _release(self) -> None:
        if (mask := self._mask) is not None:
            self._mask = None
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    def _forget(self) -> None:
        """In a child: forget the parent's file. A signal written there would end the parent instead."""
        if self._ends is not None:
            if signal.getsignal(signal.SIGTERM) == self._handle:
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.set_wakeup_fd(-1)
            self._close()
        self._release()

    def _close(self) -> None:
        for end in self._ends or ():
            with suppress(OSError):
                os.close(end)
        self._ends = None

    def _watch(self, reader: int) -> None:
        with open(reader, "rb", buffering=0) as numbers:
            while number := numbers.read(1):
                if number[0] == signal.SIGTERM and signal.getsignal(signal.SIGTERM) == self._handle:
                    self._end()

    def _handle(self, _number: int, _frame: object) -> None:
        """Handle SIGTERM if the wake-up file is another's by now, because the thread then reads nothing."""
        with suppress(RuntimeError):
            threading.Thread(target=self._end, daemon=True).start()

    def _end(self) -> None:
        if not self._begun.acquire(blocking=False):
            return
        with suppress(RuntimeError):
            finishing = threading.Thread(target=self._finish, daemon=True)
            finishing.start()
            finishing.join(self._timeout_s)
        _end_by_sigterm()


def _end_by_sigterm() -> None:
    """End this process as SIGTERM does by default; only the main thread may use the module `signal` for it."""
    with suppress(Exception):
        import ctypes

        ctypes.pythonapi.PyOS_setsig(ctypes.c_int(signal.SIGTERM), ctypes.c_void_p(0))
        os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGKILL)


class _Hook(weakref.ref[Any]):
    """Calls a bound method while its object lives. It is small, because Python keeps every hook for ever."""

    __slots__ = ("_function",)
    _function: Callable[[Any], Any]

    def __new__(cls, method: Callable[[], Any]) -> Self:
        """Refer to the object of *method*."""
        bound: Any = method
        hook = super().__new__(cls, bound.__self__)
        hook._function = bound.__func__
        return hook

    def __call__(self) -> None:
        """Call it."""
        if (alive := super().__call__()) is not None:
            self._function(alive)


def hold_while_forking(lock: threading.RLock) -> None:
    """
    Keep all other threads out of *lock* at the moment of a fork, while the lock lives.

    It is for state that a child cannot make again. The buffer of ``sys.stdout`` has a lock in C. If the parent was
    writing during the fork, the child waits for that lock for ever (https://github.com/python/cpython/issues/50970).

    Args:
        lock: Held around the work; a fork waits for it, 1 s at most.
    """
    if not hasattr(os, "register_at_fork"):
        return
    hooks = _Holder(lock)
    os.register_at_fork(before=hooks.take, after_in_parent=hooks.release, after_in_child=hooks.release)


class _Holder:
    """Holds a lock during a fork and releases it on both sides, while the lock exists."""

    __slots__ = ("_held", "_reference")

    def __init__(self, lock: threading.RLock) -> None:
        self._reference = weakref.ref(lock)
        self._held: threading.RLock | None = None

    def take(self) -> None:
        """Take the lock; give up if another thread holds it too long."""
        if (alive := self._reference()) is not None and alive.acquire(timeout=_LONGEST_WAIT_S):
            self._held = alive

    def release(self) -> None:
        """Release the lock if it was taken."""
        if (held := self._held) is not None:
            self._held = None
            held.release()
