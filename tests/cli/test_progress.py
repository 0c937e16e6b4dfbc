"""What people see while they wait, on a terminal of the tests' own."""

from __future__ import annotations

import io
import threading
import time

import pytest

from whatsself_otel.cli.progress import busy, each


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _shown(terminal: Terminal) -> str:
    deadline_s = time.monotonic() + 20
    while not terminal.getvalue() and time.monotonic() < deadline_s:
        time.sleep(0.01)
    return terminal.getvalue()


class TestBusy:
    def test_says_what_is_done_and_takes_it_away_at_the_end(self) -> None:
        terminal = Terminal()
        with busy("Asking", terminal, patience_s=0.01):
            assert "Asking ... 0 s" in _shown(terminal)

        assert terminal.getvalue().endswith("\r\x1b[K")

    def test_says_nothing_of_what_is_done_at_once(self) -> None:
        terminal = Terminal()
        with busy("Asking", terminal, patience_s=600):
            pass

        assert terminal.getvalue() == ""

    def test_says_nothing_where_nobody_looks(self) -> None:
        pipe = io.StringIO()
        with busy("Asking", pipe, patience_s=0):
            time.sleep(0.05)

        assert pipe.getvalue() == ""

    def test_ends_with_an_error_too(self) -> None:
        terminal = Terminal()
        with pytest.raises(ValueError, match="invalid literal"), busy("Asking", terminal, patience_s=0.01):
            int("broken")

        assert not any(each.name == "progress of Asking" for each in threading.enumerate())


class TestEach:
    def test_gives_every_item_and_is_quiet_while_it_is_used(self) -> None:
        terminal = Terminal()

        assert list(each("Asking", iter([1, 2]), terminal)) == [1, 2]
        assert terminal.getvalue() == ""
