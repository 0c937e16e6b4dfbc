"""The stable HTTP and database conventions, for the contrib packages that still default to the old ones."""

from __future__ import annotations

import os
from typing import Final

CONTRIB_VARIABLES: Final = (
    "OTEL_SEMCONV_STABILITY_OPT_IN",
    "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST",
    "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_RESPONSE",
)
"""Who sets one of these wants what only contrib's middleware records."""


def use_stable_conventions() -> None:
    """
    Let contrib instrument by the stable conventions from now on, whatever was instrumented before.

    Contrib has no argument for it: only ``OTEL_SEMCONV_STABILITY_OPT_IN``, read once a process, at whoever instruments
    first. A value set by the user stands; else contrib's own table is set, which leaves the environment alone.
    """
    from opentelemetry.instrumentation._semconv import _OpenTelemetrySemanticConventionStability as Stability
    from opentelemetry.instrumentation._semconv import _OpenTelemetryStabilitySignalType as Signal
    from opentelemetry.instrumentation._semconv import _StabilityMode as Mode

    if os.environ.get("OTEL_SEMCONV_STABILITY_OPT_IN"):
        Stability._initialize()  # type: ignore[no-untyped-call]  # noqa: SLF001
        return
    with Stability._lock:  # noqa: SLF001
        Stability._OTEL_SEMCONV_STABILITY_SIGNAL_MAPPING = {  # noqa: SLF001
            **Stability._OTEL_SEMCONV_STABILITY_SIGNAL_MAPPING,  # noqa: SLF001
            Signal.HTTP: Mode.HTTP,
            Signal.DATABASE: Mode.DATABASE,
        }
        Stability._OTEL_SEMCONV_STABILITY_SIGNAL_MAPPING.setdefault(Signal.GEN_AI, Mode.DEFAULT)  # noqa: SLF001
        Stability._initialized = True  # noqa: SLF001
