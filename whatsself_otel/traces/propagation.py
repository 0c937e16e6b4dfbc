"""Context sent to other hosts: W3C trace context only, unless the operator asks for more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from opentelemetry import baggage, propagate, trace
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from whatsself_otel._installed import PROPAGATORS, load

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from opentelemetry.context import Context

    from whatsself_otel.config import TelemetryConfig
    from whatsself_otel.masking import Masker

_Context = TypeVar("_Context", "Context", "Context | None")


class CleanPropagator(TextMapPropagator):
    """
    Wraps a propagator: removes personal data both ways, and writes no headers for hosts outside *hosts*.

    Without it, a stranger's tracestate and baggage would be exported, and sent on with every outgoing request.

    Args:
        propagator: Reads and writes the headers.
        masker: Judges tracestate and baggage.
        hosts: Hosts that may see what it writes: names, ``.domain`` for all below it, ``*`` for all.
    """

    def __init__(self, propagator: TextMapPropagator, masker: Masker, hosts: Sequence[str] = ("*",)) -> None:
        self._propagator = propagator
        self._masker = masker
        self._hosts = tuple(hosts)

    @property
    def fields(self) -> set[str]:
        """Names of the headers that it writes."""
        return self._propagator.fields

    def inject(self, carrier: Any, context: Context | None = None, *arguments: Any, **options: Any) -> None:
        """Write the headers of *context* into *carrier*, unless the host must not see them."""
        if "*" in self._hosts or self._may_see(trace.get_current_span(context)):
            self._propagator.inject(carrier, self._without_personal_baggage(context), *arguments, **options)

    def _may_see(self, span: Span) -> bool:
        """Return whether the host that *span* asks may see the headers. An unrecorded span names none: it may not."""
        if not isinstance(span, ReadableSpan):
            return False
        if span.kind is not SpanKind.CLIENT:
            return True
        host = _host_of(span.attributes or {})
        return any(host == rule or (rule[0] == "." and host.endswith(rule)) for rule in self._hosts)

    def extract(self, carrier: Any, context: Context | None = None, *arguments: Any, **options: Any) -> Context:
        """Return *context* with the sender's span context, and with the clean part of its tracestate and baggage."""
        extracted: Context = self._propagator.extract(carrier, context, *arguments, **options)
        remote = trace.get_current_span(extracted).get_span_context()
        clean = clean_tracestate(remote, self._masker)
        if clean is not remote:
            extracted = trace.set_span_in_context(NonRecordingSpan(clean), extracted)
        return self._without_personal_baggage(extracted)

    def _without_personal_baggage(self, context: _Context) -> _Context:
        for name, value in baggage.get_all(context).items():
            if self._masker.attributes({name: value}) != {name: value}:
                context = baggage.remove_baggage(name, context)
        return context


class CleanTraceContext(CleanPropagator):
    """
    The W3C trace context alone, cleaned as by `CleanPropagator`.

    Args:
        masker: Judges the tracestate.
        hosts: Hosts that may see the trace context.
    """

    def __init__(self, masker: Masker, hosts: Sequence[str] = ("*",)) -> None:
        super().__init__(TraceContextTextMapPropagator(), masker, hosts)

    def _without_personal_baggage(self, context: _Context) -> _Context:
        return context  # nothing here takes or gives any


def _host_of(attributes: Mapping[str, Any]) -> str:
    """Return the host of a client span, by the present or the former conventions."""
    for key in ("url.full", "http.url"):
        if key in attributes:
            return (urlsplit(str(attributes[key])).hostname or "").lower()
    return next((str(attributes[key]).lower() for key in ("server.address", "net.peer.name") if key in attributes), "")


def clean_tracestate(context: SpanContext, masker: Masker) -> SpanContext:
    """Return *context*, without its tracestate if that holds personal data: its values cannot be masked in part."""
    header = context.trace_state.to_header() if context.trace_state else ""
    if masker.text(header) == header:
        return context
    return SpanContext(context.trace_id, context.span_id, context.is_remote, context.trace_flags)


def install_propagator(config: TelemetryConfig, masker: Masker, problems: list[str]) -> Callable[[], None]:
    """
    Set the propagators that *config* names as the global one; return a function that restores the old one.

    The API's default also carries Baggage: what a stranger sends in that header would leave again with every outgoing
    request. ``OTEL_PROPAGATORS`` brings it back.

    Args:
        config: Names the propagators, and who may see what they write.
        masker: Judges what strangers send.
        problems: Gets a sentence for each propagator that cannot be made.
    """
    before = propagate.get_global_textmap()
    propagate.set_global_textmap(build_propagator(config, masker, problems))
    return lambda: propagate.set_global_textmap(before)


def build_propagator(config: TelemetryConfig, masker: Masker, problems: list[str]) -> CleanPropagator:
    """Return the propagator that *config* asks for; arguments as for `install_propagator`."""
    hosts = config.trace_context_hosts
    if config.propagators == ("tracecontext",):
        return CleanTraceContext(masker, hosts)
    named = () if "none" in config.propagators else config.propagators
    made = [propagator for name in named if (propagator := _make(name, problems)) is not None]
    return CleanPropagator(CompositePropagator(made), masker, hosts)


def _make(name: str, problems: list[str]) -> TextMapPropagator | None:
    try:
        made = load(PROPAGATORS, name)()
    except Exception as error:  # noqa: BLE001 - whatever a foreign package raises
        made = error
    if isinstance(made, TextMapPropagator):
        return made
    problems.append(
        f"The propagator {name} could not be made ({type(made).__name__}), so it is left out. "
        "Correct its package, or take it out of OTEL_PROPAGATORS."
    )
    return None
