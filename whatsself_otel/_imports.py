"""
Imports that a wrong variable would stop: the SDK and contrib read some when they are imported, and raise.

An application must start in any environment. `TelemetryConfig.problems` names the variable.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

READ_AT_IMPORT: Final[Mapping[str, tuple[str, ...]]] = {
    "opentelemetry.propagate": ("OTEL_PROPAGATORS",),
    "opentelemetry.sdk.trace": ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",),
    "opentelemetry.instrumentation.fastapi": ("OTEL_PYTHON_FASTAPI_EXCLUDED_URLS", "OTEL_PYTHON_EXCLUDED_URLS"),
}
"""The variables that each module reads when it is imported."""


def import_safely(name: str) -> Any:
    """Import the module *name* of `READ_AT_IMPORT`; if it raises, without the variables that it reads."""
    try:
        return importlib.import_module(name)
    except Exception:  # noqa: BLE001 - each of them raises something else
        hidden = {variable: os.environ.pop(variable) for variable in READ_AT_IMPORT[name] if variable in os.environ}
        try:
            return importlib.import_module(name)
        finally:
            os.environ.update(hidden)


# These two are needed in every application, so they are imported with this module: before any other of the package.
import_safely("opentelemetry.propagate")
import_safely("opentelemetry.sdk.trace")
