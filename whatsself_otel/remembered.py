"""Caches of computed values, in bounded memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_K = TypeVar("_K")
_V = TypeVar("_V")


class Remembered(dict[_K, _V]):
    """
    A dictionary of limited size. When it is full, it forgets everything, which is the cheapest way.

    Args:
        most: Entries; >= 1.
    """

    __slots__ = ("_most",)

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def keep(self, key: _K, value: _V) -> _V:
        """Remember *value* under *key* and return it."""
        if len(self) >= self._most:
            self.clear()
        self[key] = value
        return value


class ByIdentity(Generic[_K, _V]):
    """
    A cache that finds a value by its object's identity, not by the object's content.

    Rounds bound the memory: an object that did not come in a round is forgotten at the end of the next.

    Args:
        make: Makes the value of an object.
    """

    __slots__ = ("_current", "_known", "_make")

    def __init__(self, make: Callable[[_K], _V]) -> None:
        self._make = make
        self._known: dict[int, tuple[_K, _V]] = {}
        self._current: dict[int, tuple[_K, _V]] = {}

    def begin_round(self) -> None:
        """Forget the objects that did not appear since the last call."""
        self._known, self._current = self._current, {}

    def get(self, item: _K) -> _V:
        """Return the value of *item*; make it if the object is new."""
        key = id(item)
        found = self._known.get(key)
        if found is None or found[0] is not item:  # another object at the place of one that is gone
            found = item, self._make(item)
        self._current[key] = found
        return found[1]
