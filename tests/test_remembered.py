"""A cache finds its values again and never exceeds its size."""

from __future__ import annotations

from typing import Any

from whatsself_otel.remembered import ByIdentity, Remembered


def test_what_is_kept_is_given_back_and_found() -> None:
    known: Remembered[str, int] = Remembered(2)

    assert known.keep("a", 1) == 1
    assert known == {"a": 1}


def test_when_it_is_full_all_is_forgotten() -> None:
    known: Remembered[int, int] = Remembered(2)
    for number in range(3):
        known.keep(number, number)

    assert known == {2: 2}


class TestByIdentity:
    def test_makes_a_value_once_for_an_object_that_comes_again(self) -> None:
        made: list[object] = []

        def make(item: object) -> int:
            made.append(item)
            return len(made)

        known = ByIdentity[Any, int](make)
        first, equal = {"k": 1}, {"k": 1}
        for _ in range(3):
            known.begin_round()
            assert (known.get(first), known.get(equal)) == (1, 2)
        assert len(made) == 2

    def test_forgets_what_did_not_come_in_a_round(self) -> None:
        known = ByIdentity[Any, object](lambda _item: object())
        item = {"k": 1}
        value = known.get(item)
        for _ in range(2):
            known.begin_round()
        assert known.get(item) is not value

    def test_does_not_take_an_object_for_another_that_had_its_place(self) -> None:
        known = ByIdentity[Any, list[str]](list)
        kept = known.get({"a": 1})
        assert all(known.get({str(number): 1}) == [str(number)] for number in range(100))
        assert kept == ["a"]
