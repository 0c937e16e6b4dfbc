"""The stable HTTP and database conventions, for the contrib packages that still default to the old ones."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Generator

_VARIABLE: Final = "OTEL_SEMCONV_STABILITY_OPT_IN"


@contextmanager
def stable_conventions() -> Generator[None, None, None]:
    """
    Let contrib decide for the stable conventions inside the block.

    Contrib has no argument for it, only this variable, which it reads once a process, at its first instrumentation.
    A value set by the user stands; ours is taken back afterwards, so that no child process inherits it.
    """
    if os.environ.get(_VARIABLE):
        yield
        return
    os.environ[_VARIABLE] = "http,database"
    try:
        from opentelemetry.instrumentation._semconv import _OpenTelemetrySemanticConventionStability

        _OpenTelemetrySemanticConventionStability._initialize()  # type: ignore[no-untyped-call]  # noqa: SLF001
        yield
    finally:
        os.environ.pop(_VARIABLE, None)
