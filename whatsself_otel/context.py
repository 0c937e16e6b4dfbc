"""
The ids that follow one message: requestId, contactId, messageId and their kin.

They live under private keys of the OpenTelemetry context, so they cross ``await``, tasks and threads started with a
copied context. They are never Baggage: that would leave in the headers of every outgoing request.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from whatsself_otel.catalogue import (
    CONTACT_ID,
    FLOW_ID,
    MESSAGE_ID,
    REQUEST_ID,
    SESSION,
    STEP_KEY,
    TRIGGER_ID,
)
from whatsself_otel.handle import HANDLE
from whatsself_otel.traces.blocks import Attached, in_block
from whatsself_otel.traces.current_span import as_current

if TYPE_CHECKING:
    from whatsself_otel.masking import Masker

CORRELATION_KEYS: Final = (REQUEST_ID, CONTACT_ID, MESSAGE_ID, TRIGGER_ID, FLOW_ID, STEP_KEY, SESSION)
"""Wire names that a context may bind, in display order."""

MAX_ID_LENGTH: Final = 256
"""Longest id kept; the rest is cut. A cuid has 25 characters, a serialised WhatsApp message id about 60."""

EXPORTING: Final = otel_context.create_key("whatsself-exporting")
"""Marks the threads that send. A record made there would be sent too, make another, and so on."""

_ATTRIBUTES: Final = otel_context.create_key("whatsself-attributes")
_REQUEST: Final = otel_context.create_key("whatsself-request")
_WAIT: Final = otel_context.create_key("whatsself-wait")
WAITING_SINCE: Final = "waitingSince"
"""Key of a carrier under which it holds a wait for a reply."""
_F = TypeVar("_F", bound=Callable[..., object])
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
_PROPAGATOR: Final = TraceContextTextMapPropagator()


class BoundIds(dict[str, str]):
    """The ids that one context binds, never changed; `shown` is what the log handler has made of them."""

    __slots__ = ("shown",)

    def __init__(self, ids: Mapping[str, str]) -> None:
        super().__init__(ids)
        self.shown: tuple[object, str | None, dict[str, str]] = (None, None, {})


@dataclass(slots=True)
class RequestContext:
    """
    One HTTP request, from its first byte to the return of its last background task.

    The server span starts before any contact is known; what is bound later is kept here and lands on it too.
    """

    request_id: str
    route: str | None = None
    span: trace.Span = trace.INVALID_SPAN
    late_attributes: dict[str, str] = field(default_factory=dict)

    def bind(self, attributes: Mapping[str, str]) -> None:
        """Put *attributes* on the server span; of several values for one key the first stays, the others are events."""
        late = self.late_attributes
        others = {key: value for key, value in attributes.items() if late.setdefault(key, value) != value}
        if others and self.span.is_recording():
            self.span.add_event("message_context", others)


def current_attributes(context: Context | None = None) -> Mapping[str, str]:
    """
    Return the ids bound here, by wire name.

    Args:
        context: Where to look; default: the current context.
    """
    found: Any = (otel_context.get_current() if context is None else context).get(_ATTRIBUTES)
    return found or _NOTHING


def current_request(context: Context | None = None) -> RequestContext | None:
    """
    Return the HTTP request that is being served here, if any.

    Args:
        context: Where to look; default: the current context.
    """
    found: RequestContext | None = (otel_context.get_current() if context is None else context).get(_REQUEST)  # type: ignore[assignment]
    return found


class IdBlock:
    """
    A block in which ids are bound: a context manager, and a decorator of functions of every kind.

    Args:
        bind: Returns the context of the block, given the one around it.
    """

    __slots__ = ("_attached", "_bind")

    def __init__(self, bind: Callable[[Context], Context]) -> None:
        self._bind = bind
        self._attached: list[Attached] = []

    def __enter__(self) -> None:
        """Bind the ids."""
        around = otel_context.get_current()
        try:
            context = self._bind(around)
        except Exception:  # noqa: BLE001 - the block is the application's, whatever hinders its ids
            context = around
        self._attached.append(Attached(context))

    def __exit__(self, *error: object) -> None:
        """Restore the ids that were bound before the block."""
        self._attached.pop().detach()

    def __call__(self, function: _F) -> _F:
        """Return *function* with its body in such a block."""
        return in_block(lambda: IdBlock(self._bind), function)


def message_context(
    *,
    contact_id: object = None,
    message_id: object = None,
    trigger_id: object = None,
    flow_id: object = None,
    step_key: object = None,
    session: object = None,
) -> IdBlock:
    """
    Bind ids to every span and log recorded inside the block, and to the server span of the request around it.

    Works in synchronous and asynchronous code, nests (inner values win), and restores what was bound before. It also
    decorates functions, asynchronous ones and generators too. ``None`` leaves a key as it is. Ids are opaque strings;
    one that is a phone number leaves the process only masked or as a keyed pseudonym.

    Args:
        contact_id: Internal id of the contact; 256 characters at most, the rest is cut.
        message_id: Internal id of the message.
        trigger_id: Id of the trigger that fired.
        flow_id: Id of the running flow.
        step_key: Key of the flow's step.
        session: Name of the WhatsApp session.

    Source: catalogue entries ``contactId``, ``messageId``, ``triggerId``, ``flowId``, ``stepKey``, ``session``.
    """
    bound = _as_attributes(
        {
            CONTACT_ID: contact_id,
            MESSAGE_ID: message_id,
            TRIGGER_ID: trigger_id,
            FLOW_ID: flow_id,
            STEP_KEY: step_key,
            SESSION: session,
        }
    )

    def bind(around: Context) -> Context:
        request = current_request(around)
        if request is not None:
            try:  # noqa: SIM105 - suppress() takes three calls more
                request.bind(bound)
            except Exception:  # noqa: BLE001, S110 - whatever its span raises
                pass
        return Context({**around, _ATTRIBUTES: BoundIds({**current_attributes(around), **bound})})

    return IdBlock(bind)


def bind_request(request: RequestContext, context: Context | None = None) -> Context:
    """
    Return *context* with *request* and its requestId in it.

    Args:
        request: The request that starts.
        context: What to build on; default: the current context.
    """
    below = otel_context.get_current() if context is None else context
    return Context({**below, _REQUEST: request, _ATTRIBUTES: BoundIds({REQUEST_ID: request.request_id})})


def capture_context(*, hand_over: bool = True) -> dict[str, str]:
    """
    Return the trace and the ids of this place as plain strings, to be stored with a queued message.

    The result is safe for JSON and holds no phone; `resume_context` takes it up again in another task, process or day.
    If the contact bound here waits for a reply, the wait leaves this process too: whoever resumes it counts it.

    Args:
        hand_over: False for a job that answers nobody, such as a report: the wait then stays.
    """
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier, as_current(otel_context.get_current()))
    attributes = current_attributes()
    identifier = _identifier()
    carrier.update({key: identifier(value) for key, value in attributes.items()})
    telemetry, contact_id = HANDLE.running, attributes.get(CONTACT_ID)
    if hand_over and telemetry is not None and contact_id is not None:
        wait = telemetry.metrics.hand_over_wait(contact_id)
        if wait:
            carrier[WAITING_SINCE] = wait
    return carrier


def resume_context(carrier: object) -> IdBlock:
    """
    Continue the trace and the ids that `capture_context` stored, and the contact's wait for a reply.

    Anything that is not such a carrier is ignored: the block then runs without a parent and without ids.

    Args:
        carrier: What `capture_context` returned, as it came back from storage.
    """
    known: Mapping[object, object] = carrier if isinstance(carrier, Mapping) else {}
    strings = {str(key): value for key, value in known.items() if isinstance(value, str)}
    bound = _as_attributes({key: strings.get(key) for key in CORRELATION_KEYS})
    return IdBlock(lambda _around: _resumed(bound, strings))


def _resumed(bound: Mapping[str, str], carrier: Mapping[str, str]) -> Context:
    context = _PROPAGATOR.extract(carrier, otel_context.set_value(_ATTRIBUTES, BoundIds(bound), Context()))
    contact_id, wait = bound.get(CONTACT_ID), carrier.get(WAITING_SINCE)
    if contact_id and wait:
        name = wait_name(contact_id, wait)
        context = otel_context.set_value(_WAIT, (contact_id, name), context)
        if HANDLE.running is not None:
            HANDLE.running.metrics.take_over_wait(name, wait)
    return context


def resumed_wait() -> tuple[str, str] | None:
    """Return the contact whose wait was resumed here, and the wait's name."""
    return cast("tuple[str, str] | None", otel_context.get_value(_WAIT))


def wait_name(contact_id: str, wait: str) -> str:
    """Return the name of a wait in the process that resumes it, unique even for contacts with equal masks."""
    return f"{contact_id} {wait}" if "*" in contact_id or contact_id.startswith("[masked") else contact_id


def _identifier() -> Callable[[str], str]:
    if HANDLE.running is not None:
        return HANDLE.running.masker.identifier
    return _default_masker().identifier


@functools.cache
def _default_masker() -> Masker:
    from whatsself_otel.masking import Masker

    return Masker()


def _as_attributes(values: Mapping[str, object]) -> dict[str, str]:
    return {key: text for key, value in values.items() if value is not None and (text := _as_id(value))}


def _as_id(value: object) -> str:
    try:
        return str(value)[:MAX_ID_LENGTH]
    except Exception:  # noqa: BLE001 - an id whose str() raises must not stop the application
        return ""
