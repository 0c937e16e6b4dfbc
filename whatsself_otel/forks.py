"""What a forked child does before anything else: forget its parent's locks, threads, queues and connections."""

from __future__ import annotations

import os
import weakref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


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
