"""Find objects that other packages provide under a name, by their entry points."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any, Final

PROPAGATORS: Final = "opentelemetry_propagator"
SAMPLERS: Final = "opentelemetry_traces_sampler"
CONTEXTS: Final = "opentelemetry_context"
DETECTORS: Final = "opentelemetry_resource_detector"


def is_installed(group: str, name: str) -> bool:
    """Return whether a package provides *name* in *group*."""
    return bool(entry_points(group=group, name=name))


def load(group: str, name: str) -> Any:
    """Load the object *name* in *group*; raises any error of its package."""
    return next(iter(entry_points(group=group, name=name))).load()
