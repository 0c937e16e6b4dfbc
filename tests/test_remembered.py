"""What is remembered is found again, and never grows beyond what it may."""

from __future__ import annotations

from whatsself_otel.remembered import Remembered


def test_what_is_kept_is_given_back_and_found() -> None:
    known: Remembered[str, int] = Remembered(2)

    assert known.keep("a", 1) == 1
    assert known == {"a": 1}


def test_when_it_is_full_all_is_forgotten() -> None:
    known: Remembered[int, int] = Remembered(2)
    for number in range(3):
        known.keep(number, number)

    assert known == {2: 2}
