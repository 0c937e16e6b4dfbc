"""What a forked child does before anything else: forget its parent's locks, threads, queues and connections."""

from __future__ import annotations

import os
import weakref
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import RLock

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
    reference = weakref.WeakMethod(method)
    os.register_at_fork(after_in_child=lambda: (alive := reference()) and alive())


def hold_while_forking(lock: RLock) -> None:
    """
    Let no other thread be inside *lock* at the moment of a fork, as long as the lock lives.

    For what a child cannot make anew: the buffer of ``sys.stdout`` has a lock in C, and a child whose parent was
    writing at that moment waits for it for ever (https://github.com/python/cpython/issues/50970).

    Args:
        lock: Held around the work; a fork waits for it, 1 s at most.
    """
    if not hasattr(os, "register_at_fork"):
        return
    reference = weakref.ref(lock)
    held: list[RLock] = []

    def take() -> None:
        if (alive := reference()) is not None and alive.acquire(timeout=_LONGEST_WAIT_S):
            held.append(alive)

    def release() -> None:
        if held:
            held.pop().release()

    os.register_at_fork(before=take, after_in_parent=release, after_in_child=release)
