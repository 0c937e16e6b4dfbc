"""One walk through one value of any kind: containers, numbers, bytes and other objects."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from itertools import islice
from typing import TYPE_CHECKING, Final, TypeVar
from uuid import UUID

from whatsself_otel.masking.detectors import is_harmless
from whatsself_otel.masking.keys import NO_PLAN, PAIR_NAMES, PAIR_VALUES, SECRET_PLAN, KeyPlan
from whatsself_otel.masking.reading import MAX_TEXT_CHARS, token

if TYPE_CHECKING:
    from whatsself_otel.masking.masker import Masker

_Item = TypeVar("_Item")

MAX_DEPTH: Final = 32
"""Containers nested deeper are replaced."""
MAX_ITEMS: Final = 10_000
"""Items read of one value, over all its containers; the rest is left out, and said."""


class Walk:
    """One walk through one value: it remembers where it is and how much it may still read."""

    __slots__ = ("_inside", "_left", "_masker", "has_other_keys")

    def __init__(self, masker: Masker) -> None:
        self._masker = masker
        self._left = MAX_ITEMS
        self._inside: set[int] | None = None
        self.has_other_keys = False
        """Whether a key that is no text was seen."""

    def value(self, key: str | None, value: object) -> object:
        """*value* under *key*."""
        if value is None or value is True or value is False:
            return value
        plan = NO_PLAN if key is None else self._masker._plan(key)  # noqa: SLF001 - one unit in two classes
        return self._planned(plan, value)

    def _planned(self, plan: KeyPlan, value: object) -> object:
        if isinstance(value, str):
            return self._string(plan, value if type(value) is str else str.__str__(value))
        if isinstance(value, (int, float, Decimal)):
            return self._number(plan, _plain_number(value))
        if isinstance(value, (Mapping, list, tuple, AbstractSet)):
            return self._container(plan, value)
        if isinstance(value, (bytes, bytearray, memoryview)):
            return self._bytes(plan, value)
        if type(value) in _PLAIN_TYPES:
            return value if plan.rule is None else token(plan.rule)
        return self._other(plan, value)

    def _string(self, plan: KeyPlan, value: str) -> str:
        masker = self._masker
        if plan.rule is not None and not (plan.spared is not None and plan.spared.fullmatch(value)):
            return masker.under(plan.rule, value)
        if plan.reader == "text":
            return masker.text(value)
        if plan.reader == "id":
            return value if _ID_NUMBER.fullmatch(value) else masker.text(value)
        return masker.sql(value) if plan.reader == "sql" else masker.url(value)

    def _number(self, plan: KeyPlan, value: float | Decimal) -> object:
        if plan.numbers_pass or (isinstance(value, Decimal) and not value.is_finite()):
            return value
        if plan.numbers_read:
            plan = NO_PLAN
        if plan.rule is None and -_SMALLEST_NUMBER < value < _SMALLEST_NUMBER:
            return value
        if plan.rule is None and isinstance(value, int) and not -_LARGEST_NUMBER < value < _LARGEST_NUMBER:
            return value
        shown = _whole(value)
        masked = self._string(plan, shown)
        return value if masked == shown else masked

    def _bytes(self, plan: KeyPlan, value: bytes | bytearray | memoryview) -> object:
        decoded = bytes(value[: 4 * MAX_TEXT_CHARS]).decode("utf-8", "surrogateescape")
        masked = self._string(plan, decoded)
        if masked == decoded and type(value) in {bytes, bytearray, memoryview}:
            return value
        encoded = masked.encode("utf-8", "surrogateescape")
        return bytearray(encoded) if isinstance(value, bytearray) else encoded

    def _other(self, plan: KeyPlan, value: object) -> object:
        if isinstance(value, Enum) and self._planned(plan, value.value) == value.value:
            return value
        try:
            shown = repr(value) if not isinstance(value, BaseException) else str(value)
        except Exception:  # noqa: BLE001 - an object that cannot be shown costs itself only
            shown = f"<{type(value).__name__}: repr failed>"
        return self._string(plan, shown)

    def _container(self, plan: KeyPlan, value: Collection[object]) -> object:
        inside = self._inside = self._inside or set()
        if id(value) in inside:
            return token("cycle")
        if len(inside) >= MAX_DEPTH:
            return token("depth")
        inside.add(id(value))
        plan = plan.inner()
        try:
            return self.mapping(value, plan) if isinstance(value, Mapping) else self._items(plan, value)
        finally:
            inside.discard(id(value))

    def mapping(self, value: Mapping[object, object] | Mapping[str, object], plan: KeyPlan) -> dict[object, object]:
        """Return a copy of *value*, keys and values masked; values without a rule inherit *plan*."""
        masked: dict[object, object] = {}
        masker = self._masker
        plan_of, clean_names = masker._plan, masker._clean_names  # noqa: SLF001 - one unit in two classes
        may_be_pair = plan.rule is None and len(value) <= _LARGEST_PAIR and not _PAIR_HOLDERS.isdisjoint(value)
        named = self._named(value) if may_be_pair else None
        reads_text = not masker._has_own_text_rules  # noqa: SLF001 - as above
        inherits = plan.rule is not None
        for key, item in self._limited(value.items(), len(value)):
            if isinstance(key, str):
                own, shown = plan_of(key), key if key in clean_names else self._key(key)
            else:
                self.has_other_keys = True
                own, shown = NO_PLAN, self._key(key)
            if inherits and own.rule is None:
                own = masker._key_rules.child(plan, str(key), own)  # noqa: SLF001 - as above
            elif named is not None:
                own = named.get(key, own)
            kind = type(item)
            # Most values are left alone by every way below, and those ways are longer.
            if own.rule is not None:
                is_plain = False
            elif isinstance(item, str):
                is_plain = reads_text and kind is str and own.reader != "sql" and is_harmless(item) is not None
            else:
                is_plain = (kind is int or kind is float) and -_SMALLEST_NUMBER < item < _SMALLEST_NUMBER  # type: ignore[operator]
            if is_plain:
                masked[shown] = item
            elif isinstance(item, str):
                masked[shown] = self._string(own, item)
            else:
                masked[shown] = self._planned_or_constant(own, item)
        if len(masked) < len(value) and self._left <= 0:
            masked["masking"] = token("size")
        return masked

    def _named(self, value: Mapping[object, object] | Mapping[str, object]) -> dict[object, KeyPlan] | None:
        """Return the plans of a mapping that names its value (``{"name": "authorization", "value": …}``)."""
        names = {key.lower(): key for key in value if isinstance(key, str)}
        if value.get(names.get("type", "")) == "Buffer" and "data" in names:
            return {names["data"]: SECRET_PLAN}
        holders = [names[name] for name in PAIR_VALUES if name in names]
        for name in PAIR_NAMES if holders else ():
            written = value.get(names.get(name, ""))
            if isinstance(written, (str, bytes)):
                plan = self._masker._plan(_as_text(written))  # noqa: SLF001 - one unit in two classes
                if plan.rule is not None:
                    return {names[name]: NO_PLAN, **dict.fromkeys(holders, plan)}
        return None

    def _key(self, key: object) -> object:
        if isinstance(key, str):
            return self._masker._masked_name(key)  # noqa: SLF001 - one unit in two classes
        masked = self._planned_or_constant(NO_PLAN, key)
        try:
            hash(masked)
        except TypeError:
            return token("error")
        return masked

    def _planned_or_constant(self, plan: KeyPlan, value: object) -> object:
        if value is None or value is True or value is False:
            return value
        return self._planned(plan, value)

    def _items(self, plan: KeyPlan, value: Collection[object]) -> object:
        if plan.rule is None and isinstance(value, (list, tuple)):
            masked = self._list(plan, value)
        else:
            masked = [self._planned_or_constant(plan, item) for item in self._limited(value, len(value))]
        if len(masked) < len(value):
            masked.append(token("size"))
        if isinstance(value, tuple):
            return _like_tuple(value, masked)
        if isinstance(value, AbstractSet):
            return frozenset(masked) if isinstance(value, frozenset) else set(masked)
        return masked

    def _list(self, plan: KeyPlan, value: list[object] | tuple[object, ...]) -> list[object]:
        """The items of a list; what follows the name of a secret, or an option that takes one, is masked with it."""
        masked: list[object] = []
        last = NO_PLAN
        for item in self._limited(value, len(value)):
            masked.append(self._planned_or_constant(plan if last.rule is None else last, item))
            last = NO_PLAN
            if isinstance(item, (str, bytes)) and len(item) <= _LONGEST_NAME:
                name = _as_text(item)
                if name[:1] == "-" or len(value) == _LARGEST_HEADER:
                    found = self._masker._plan(name.lstrip("-"))  # noqa: SLF001 - one unit in two classes
                    last = found if found.rule == "secret" and not found.ambiguous else NO_PLAN
        return masked

    def _limited(self, items: Collection[_Item], size: int) -> Iterable[_Item]:
        allowed = max(0, min(size, self._left))
        self._left -= allowed
        return items if allowed == size else islice(items, allowed)


_PLAIN_TYPES: Final = frozenset({date, datetime, time, timedelta, UUID})
_ID_NUMBER: Final = re.compile(r"[0-9]{1,32}")
_LARGEST_PAIR: Final = 6
_PAIR_HOLDERS: Final = frozenset(written for name in PAIR_VALUES for written in (name, name.title(), name.upper()))
_LARGEST_HEADER: Final = 2
_LONGEST_NAME: Final = 64
_SMALLEST_NUMBER: Final = 10_000_000_000
_LARGEST_NUMBER: Final = 10**20


def with_text_keys(masked: dict[object, object]) -> dict[str, object]:
    """Return *masked* with keys that are all text."""
    if set(map(type, masked)) == {str}:
        return masked  # type: ignore[return-value]
    return {key if isinstance(key, str) else str(key): value for key, value in masked.items()}


def _whole(value: float | Decimal) -> str:
    """*value* in plain digits when it is whole, so that a float phone is seen as one."""
    try:
        return str(int(value)) if value == int(value) else str(value)
    except (OverflowError, ValueError):
        return str(value)


def _plain_number(value: float | Decimal) -> float | Decimal:
    """Return the number that is emitted for *value*: a subclass may show another one than it holds."""
    kind = type(value)
    if kind is int or kind is float or kind is Decimal:
        return value
    if isinstance(value, int):
        return int.__pos__(value)
    return float.__pos__(value) if isinstance(value, float) else Decimal(value)


def _as_text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")


def _like_tuple(original: tuple[object, ...], items: list[object]) -> tuple[object, ...]:
    make = getattr(original, "_make", None)
    if make is not None and len(items) == len(original):
        named: tuple[object, ...] = make(items)
        return named
    return tuple(items)
