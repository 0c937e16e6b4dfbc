"""
Hide variables from the SDK and contrib, which read them at import and later, and raise for some values.

An application must start in any environment, and `TelemetryConfig` has read it already. So the SDK and contrib see only
variables that nothing else reads, with usable values. `TelemetryConfig.problems` names the others.
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
"""Variables that each module reads at import and may raise for."""


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
    """Hide each standard variable that the SDK must not read."""
    with hidden(_environment.own_variables(os.environ)):
        yield


def import_safely(name: str) -> Any:
    """Import the module *name*. If its reading of variables raises, import it again with those variables hidden."""
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
