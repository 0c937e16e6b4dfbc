"""What a forked child does before anything else: forget its parent's locks, threads, queues and connections."""

from __future__ import annotations

import multiprocessing
import os
import sys
import weakref
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping

_LONGEST_WAIT_S: Final = 1.0
"""A fork waits no longer for whoever holds a lock: a reader that has stopped reading must not stop forks too."""


def run_in_child(method: Callable[[], Any]) -> None:
    """
    Call the bound *method* in every child forked from now on, as long as its object lives.

    Hooks run in the order in which they were given, the SDK's own among them: an object that records metrics in its
    hook must be made after the meter provider, whose hook replaces the locks that the parent may have held.

    Args:
        method: A bound method that neither waits nor raises.
    """
    if not hasattr(os, "register_at_fork"):
        return
    os.register_at_fork(after_in_child=_Hook(method))


def run_after_fork(*, in_parent: Callable[[], Any], in_child: Callable[[], Any]) -> None:
    """
    Call a bound method on each side of every fork from now on, as long as its object lives.

    Args:
        in_parent: Called in the process that forked; neither waits nor raises.
        in_child: Called in the child; neither waits nor raises.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_parent=_Hook(in_parent), after_in_child=_Hook(in_child))


def is_one_of_several_workers(environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether a server has started this process as one of its workers, as far as a process can know."""
    concurrency = environ.get("WEB_CONCURRENCY", "1")
    many = concurrency.isdigit() and int(concurrency) > 1
    spawned = multiprocessing.parent_process() is not None and "--reload" not in sys.argv
    return many or spawned or "gunicorn.arbiter" in sys.modules


class _Hook(weakref.ref[Any]):
    """Calls a bound method as long as its object lives; one small object, since Python keeps every hook for ever."""

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
    Let no other thread be inside *lock* at the moment of a fork, as long as the lock lives.

    For what a child cannot make anew: the buffer of ``sys.stdout`` has a lock in C, and a child whose parent was
    writing at that moment waits for it for ever (https://github.com/python/cpython/issues/50970).

    Args:
        lock: Held around the work; a fork waits for it, 1 s at most.
    """
    if not hasattr(os, "register_at_fork"):
        return
    hooks = _Holder(lock)
    os.register_at_fork(before=hooks.take, after_in_parent=hooks.release, after_in_child=hooks.release)


class _Holder:
    """Takes a lock before a fork and lets go of it after, on both sides, as long as the lock lives."""

    __slots__ = ("_held", "_reference")

    def __init__(self, lock: threading.RLock) -> None:
        self._reference = weakref.ref(lock)
        self._held: threading.RLock | None = None

    def take(self) -> None:
        """Take the lock, unless whoever has it keeps it too long."""
        if (alive := self._reference()) is not None and alive.acquire(timeout=_LONGEST_WAIT_S):
            self._held = alive

    def release(self) -> None:
        """Let go of what was taken."""
        if (held := self._held) is not None:
            self._held = None
            held.release()
