"""
The SDK and contrib read variables by themselves, when they are imported and later; some values make them raise.

An application must start in any environment, and `TelemetryConfig` has read it already: they are shown only those
variables that nothing else reads, with values that they can use. `TelemetryConfig.problems` names the others.
"""

from __future__ import annotations

import importlib
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from whatsself_otel import _environment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_READ_AT_IMPORT: Final[Mapping[str, tuple[str, ...]]] = {
    "opentelemetry.propagate": ("OTEL_PROPAGATORS",),
    "opentelemetry.instrumentation.fastapi": ("OTEL_PYTHON_FASTAPI_EXCLUDED_URLS", "OTEL_PYTHON_EXCLUDED_URLS"),
}
"""What each module reads when it is imported, and raises for."""


@contextmanager
def hidden(names: Iterable[str]) -> Iterator[None]:
    """Hide the variables *names* from this process."""
    values = {name: os.environ.pop(name) for name in list(names) if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(values)


@contextmanager
def hidden_from_the_sdk() -> Iterator[None]:
    """Hide each standard variable that the SDK is not to read."""
    with hidden(_environment.own_variables(os.environ)):
        yield


def import_safely(name: str) -> Any:
    """Import the module *name*, which reads variables; if it raises, without them."""
    try:
        return importlib.import_module(name)
    except Exception:  # noqa: BLE001 - each of them raises something else
        with hidden(_READ_AT_IMPORT[name]):
            return importlib.import_module(name)


# Every application needs these three. They are imported with this module, before any other of the package.
with hidden(name for name in _environment.own_variables(os.environ) if name != "OTEL_PROPAGATORS"):
    import_safely("opentelemetry.propagate")
    importlib.import_module("opentelemetry.sdk.trace")
    importlib.import_module("opentelemetry.sdk._logs")
