"""Record failed work on its span, even if the exception raises when it is shown."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

from opentelemetry.trace import Status, StatusCode

if TYPE_CHECKING:
    from opentelemetry.trace import Span


def error_type(error: BaseException) -> str:
    """Return the value of ``error.type`` for *error*: the name of its class."""
    return type(error).__qualname__


def text_of(error: BaseException) -> str:
    """Return the text of *error*, or the name of its class if it cannot show itself."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - whatever an application's exception raises
        return error_type(error)


def record_exception(span: Span, error: BaseException) -> None:
    """Add *error* to *span* as an event."""
    try:
        span.record_exception(error)
    except Exception:  # noqa: BLE001 - the SDK shows the exception, which may raise anything
        described = {
            "exception.type": f"{type(error).__module__}.{error_type(error)}",
            "exception.message": text_of(error),
            "exception.stacktrace": "".join(traceback.format_exception(error)),
            "exception.escaped": "False",
        }
        span.add_event("exception", described)


def set_failed(span: Span, error: BaseException, description: str | None = None) -> None:
    """Give *span* the status of failed work. The default description is the kind and text of *error*."""
    if description is None:
        description = f"{type(error).__name__}: {text_of(error)}"
    span.set_status(Status(StatusCode.ERROR, description))
