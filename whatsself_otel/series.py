"""One series of an instrument: the instrument's way to record, with attributes that were made once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.context import Context


class Series:
    """
    Records on one series of a counter or histogram.

    Args:
        instrument: A synchronous instrument.
        attributes: Clean text, numbers and truth values.
    """

    __slots__ = ("_attributes", "_write")

    def __init__(self, instrument: Any, attributes: Mapping[str, str | int]) -> None:
        self._attributes = dict(attributes)
        self._write = instrument.add if hasattr(instrument, "add") else instrument.record

    def record(self, value: float, context: Context | None = None) -> None:
        """
        Record one measurement.

        Args:
            value: >= 0 and finite; the SDK warns of another and drops it.
            context: Where the span of its exemplar is; default: the current context.
        """
        self._write(value, self._attributes, context)
