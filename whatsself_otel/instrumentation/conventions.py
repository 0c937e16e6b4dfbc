"""Which conventions contrib follows, and who decides."""

from __future__ import annotations

from typing import Final

CONTRIB_VARIABLES: Final = (
    "OTEL_SEMCONV_STABILITY_OPT_IN",
    "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST",
    "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_RESPONSE",
)
"""Who sets one of these wants what only contrib's middleware records."""
