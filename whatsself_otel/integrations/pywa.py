"""
pywa: record the events that Meta sends to its client, and Meta's answers to its messages.

    setup_telemetry()
    instrument_pywa(client)
"""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, Final

from whatsself_otel.integrations.patching import telemetry_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from whatsself_otel.whatsapp.observe import WhatsApp

_SENDS: Final = ("send_message", "send_marketing_message")
_MARK: Final = "_whatsself_otel"


def instrument_pywa(client: Any, *, origin: str = "reply") -> None:
    """
    Observe a client of pywa, synchronous or asynchronous. A second call does nothing.

    pywa has checked the signature of a webhook before we see it.

    Args:
        client: A ``pywa.WhatsApp`` or ``pywa_async.WhatsApp``.
        origin: What makes this client send: ``reply``, ``broadcast`` or ``manual``.

    Raises:
        ConfigError: If no telemetry runs.
    """
    telemetry = telemetry_for("instrument_pywa")
    if telemetry is None or hasattr(client.webhook_update_handler, _MARK):
        return
    whatsapp = telemetry.whatsapp
    wraps: list[tuple[Any, str, Callable[..., None] | None, Callable[..., None] | None]] = [
        (client, "webhook_update_handler", functools.partial(_note_webhook, whatsapp, origin), None)
    ]
    wraps += [(client.api, name, None, functools.partial(_note_answer, whatsapp, origin)) for name in _SENDS]
    for owner, name, before, after in wraps:
        setattr(owner, name, _wrapped(getattr(owner, name), before, after))
        telemetry.on_shutdown(functools.partial(owner.__dict__.pop, name, None))


def _wrapped(
    method: Callable[..., Any], before: Callable[..., None] | None, after: Callable[..., None] | None
) -> Callable[..., Any]:
    """Return *method* that first calls *before* with its arguments, and then *after* with its result or error."""

    @functools.wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        if before is not None:
            before(*args, **kwargs)
        try:
            result = method(*args, **kwargs)
        except Exception as error:
            _tell(after, error, args, kwargs)
            raise
        _tell(after, result, args, kwargs)
        return result

    @functools.wraps(method)
    async def acall(*args: Any, **kwargs: Any) -> Any:
        if before is not None:
            before(*args, **kwargs)
        try:
            result = await method(*args, **kwargs)
        except Exception as error:
            _tell(after, error, args, kwargs)
            raise
        _tell(after, result, args, kwargs)
        return result

    made = acall if inspect.iscoroutinefunction(method) else call
    setattr(made, _MARK, True)
    return made


def _tell(after: Callable[..., None] | None, outcome: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    if after is not None:
        after(outcome, *args, **kwargs)


def _note_webhook(whatsapp: WhatsApp, origin: str, update: object = None, *_args: object, **_more: object) -> None:
    whatsapp.observe(update, provider="cloud_api", origin=origin, is_verified=True)


def _note_answer(
    whatsapp: WhatsApp, origin: str, outcome: object, sender: object = None, *_a: object, **_m: object
) -> None:
    whatsapp.observe_send(outcome, origin=origin, session=str(sender) if sender else None, provider="cloud_api")
