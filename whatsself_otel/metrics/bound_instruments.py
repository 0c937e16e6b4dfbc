"""One series of an instrument: frequent measurements skip the lookup of their series."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from whatsself_otel import _sdk

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.context import Context


class BoundInstrument:
    """
    Records on one series of a counter or histogram.

    Args:
        instrument: A synchronous instrument.
        attributes: Clean text, numbers and truth values.
    """

    __slots__ = ("_attributes", "_found", "_write")

    def __init__(self, instrument: Any, attributes: Mapping[str, str | int]) -> None:
        self._attributes = dict(attributes)
        self._write = instrument.add if hasattr(instrument, "add") else instrument.record
        self._found = _sdk.find_series(instrument, self._attributes)

    def record(self, value: float, context: Context | None = None) -> None:
        """
        Record one measurement.

        Args:
            value: >= 0 and finite; the SDK warns of another and drops it.
            context: Where the span of its exemplar is; default: the current context.
        """
        found = self._found
        if found is None:
            self._write(value, self._attributes, context)
        elif not found.record(value, context):
            self._write(value, self._attributes, context)
            found.find()
