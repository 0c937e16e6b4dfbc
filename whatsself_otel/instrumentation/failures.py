"""What failed work leaves on its span, also where the exception itself raises when it is shown."""

from __future__ import annotations

import traceback
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from opentelemetry.trace import INVALID_SPAN, Status, StatusCode, use_span

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.trace import Span, Tracer


@contextmanager
def guarded_span(tracer: Tracer, name: str) -> Iterator[None]:
    """Run the block in a span of its own; whatever the span does, the block's exception leaves as it is."""
    span = INVALID_SPAN
    with suppress(Exception):
        span = tracer.start_span(name)
    with use_span(span, record_exception=False, set_status_on_exception=False):
        try:
            yield
        except Exception as error:
            with suppress(Exception):
                record_failure(span, error)
            raise
        finally:
            with suppress(Exception):
                span.end()


def error_type(error: BaseException) -> str:
    """Return the value of ``error.type`` for *error*: the name of its class."""
    return type(error).__qualname__


def text_of(error: BaseException) -> str:
    """Return the text of *error*, or the name of its class if it cannot show itself."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - whatever an application's exception raises
        return error_type(error)


def record_failure(span: Span, error: BaseException) -> None:
    """Add *error* to *span* as an event, and make it the span's status."""
    try:
        span.record_exception(error)
    except Exception:  # noqa: BLE001 - the SDK shows the exception, which may raise anything
        span.add_event(
            "exception",
            {
                "exception.type": f"{type(error).__module__}.{error_type(error)}",
                "exception.message": text_of(error),
                "exception.stacktrace": "".join(traceback.format_exception(error)),
                "exception.escaped": "False",
            },
        )
    set_failed(span, error, f"{type(error).__name__}: {text_of(error)}")


def set_failed(span: Span, error: BaseException, description: str) -> None:
    """Give *span* the status of failed work and its ``error.type``."""
    span.set_attribute("error.type", error_type(error))
    span.set_status(Status(StatusCode.ERROR, description))
