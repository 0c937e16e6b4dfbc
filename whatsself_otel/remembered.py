"""What was worked out before and is likely to be asked for again, in bounded memory."""

from __future__ import annotations

from typing import TypeVar

_K = TypeVar("_K")
_V = TypeVar("_V")


class Remembered(dict[_K, _V]):
    """
    A dictionary that holds as much as it may; when it is full, all is forgotten, which costs least of all ways.

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
