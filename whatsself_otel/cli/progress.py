"""Progress for people who wait: shown after a second, on a terminal only."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from typing import TYPE_CHECKING, Final, TextIO, TypeVar

from whatsself_otel.language import translated

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_Item = TypeVar("_Item")

PATIENCE_S: Final = 1.0
"""Seconds before progress is shown."""
_ERASE: Final = "\r\x1b[K"


@contextlib.contextmanager
def busy(what: str, stream: TextIO | None = None, *, patience_s: float = PATIENCE_S) -> Iterator[None]:
    """
    Show *what* and the seconds it has taken while the block runs, on one line that is erased at its end.

    Args:
        what: What is being done, as people say it.
        stream: A terminal, or nothing is shown (default: standard error, so that output for programs stays whole).
        patience_s: Seconds before anything is shown.
    """
    to = stream or sys.stderr
    if not to.isatty():
        yield
        return
    done, told = threading.Event(), translated(what)
    line = threading.Thread(target=_show, args=(told, to, patience_s, done), name=f"progress of {what}", daemon=True)
    line.start()
    try:
        yield
    finally:
        done.set()
        line.join()


def _show(what: str, to: TextIO, patience_s: float, done: threading.Event) -> None:
    start_s, wait_s, erase = time.monotonic(), patience_s, ""
    while not done.wait(wait_s):
        to.write(f"{_ERASE}{what} ... {time.monotonic() - start_s:.0f} s")
        to.flush()
        wait_s, erase = 1.0, _ERASE
    to.write(erase)
    to.flush()


def each(what: str, items: Iterable[_Item], stream: TextIO | None = None) -> Iterator[_Item]:
    """Yield *items* as they come, `busy` with *what* while the next is waited for."""
    waiting = iter(items)
    while True:
        with busy(what, stream):
            try:
                item = next(waiting)
            except StopIteration:
                return
        yield item
