"""A span of our class takes fewer steps than the SDK's and reads the same."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    DEFAULT_OFF,
    DEFAULT_ON,
    Decision,
    ParentBased,
    ParentBasedTraceIdRatio,
    Sampler,
    SamplingResult,
)
from opentelemetry.trace import (
    INVALID_SPAN,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)
from rows import for_each

from whatsself_otel import _sdk, message_context
from whatsself_otel.context import RequestContext, bind_request
from whatsself_otel.traces.processors import CorrelationProcessor, GuardedProcessors
from whatsself_otel.traces.spans import SPANS, OwnSpan, SpanMaker, set_attributes_unchecked

ATTRIBUTES: Mapping[str, str | int] = {"url.path": "/messages/m-1", "server.port": 8000}


class Counting(IdGenerator):
    """Ids by number, so that two providers give the same."""

    def __init__(self, *, is_random: bool = True) -> None:
        self._numbers = itertools.count(1)
        self._is_random = is_random

    def generate_span_id(self) -> int:
        return next(self._numbers)

    def generate_trace_id(self) -> int:
        return next(self._numbers) << 64

    def is_trace_id_random(self) -> bool:
        return self._is_random


class Watching(SpanProcessor):
    """An application's processor that notes a span's contents at its start and after its end."""

    def __init__(self) -> None:
        self.started: list[dict[str, Any]] = []
        self.ended: list[ReadableSpan] = []

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        del parent_context
        self.started.append(dict(span.attributes or {}))

    def on_end(self, span: ReadableSpan) -> None:
        self.ended.append(span)


class Reading(Sampler):
    """A sampler that decides by attributes."""

    def should_sample(  # noqa: PLR0917 - the signature is the SDK's
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Any = None,
        links: Any = None,
        trace_state: Any = None,
    ) -> SamplingResult:
        del links, trace_state
        is_known = "url.path" in (attributes or {})
        return SamplingResult(Decision.RECORD_AND_SAMPLE if is_known else Decision.DROP, attributes)

    def get_description(self) -> str:
        return "Reading"


def provider(
    sampler: Sampler = DEFAULT_ON, ids: IdGenerator | None = None, processor: SpanProcessor | None = None, **limits: Any
) -> TracerProvider:
    most = SpanLimits(**limits)
    made = TracerProvider(
        sampler=sampler,
        shutdown_on_exit=False,
        id_generator=ids,
        span_limits=most,
        active_span_processor=GuardedProcessors(lambda _component: None, most),
    )
    made.add_span_processor(CorrelationProcessor())
    if processor is not None:
        made.add_span_processor(processor)
    return made


def started(of: TracerProvider, context: Context | None = None) -> Any:
    maker = SpanMaker(of, "test", "1.0")
    return maker.start("GET /messages/{id}", context or Context(), SpanKind.SERVER, ATTRIBUTES)


def started_by_the_sdk(of: TracerProvider, context: Context | None = None) -> Any:
    tracer = of.get_tracer("test", "1.0")
    return tracer.start_span("GET /messages/{id}", context or Context(), SpanKind.SERVER, ATTRIBUTES)


def is_short(span: object) -> bool:
    return isinstance(span, OwnSpan)


def below(**parts: Any) -> Context:
    parent = SpanContext(
        **{"trace_id": 7 << 64, "span_id": 8, "is_remote": False, "trace_flags": TraceFlags(1), **parts}
    )
    return set_span_in_context(NonRecordingSpan(parent), Context())


def with_ids() -> Context:
    return bind_request(RequestContext(request_id="r-1"), Context())


CONTEXTS: Mapping[str, Callable[[], Context]] = {
    "a root": Context,
    "below an invalid span": lambda: set_span_in_context(INVALID_SPAN, Context()),
    "below something that is no span": lambda: Context(dict.fromkeys(below(), "span")),
    "below a local span": below,
    "below a remote span": lambda: below(is_remote=True, trace_state=TraceState([("vendor", "a")])),
    "below a span of a random trace": lambda: below(trace_flags=TraceFlags(3)),
    "below one with a flag of the future": lambda: below(trace_flags=TraceFlags(0x81)),
    "below one that is not sampled": lambda: below(trace_flags=TraceFlags(0)),
    "with ids": with_ids,
}


def everything(span: Any) -> dict[str, Any]:
    """What can be read of a span but its times."""
    if not span.is_recording() and not isinstance(span, ReadableSpan):
        return {"context": span.get_span_context(), "recording": False}
    names = (
        "name",
        "context",
        "kind",
        "parent",
        "resource",
        "instrumentation_scope",
        "dropped_attributes",
        "dropped_events",
        "dropped_links",
        "limits",
    )
    held = {name: getattr(span, name, None) for name in names}
    events = [(event.name, dict(event.attributes or {}), event.dropped_attributes) for event in span.events]
    links = [(link.context, dict(link.attributes or {})) for link in span.links]
    return {
        **held,
        "state": span.get_span_context().trace_state.to_header(),
        "attributes": dict(span.attributes or {}),
        "status": (span.status.status_code, span.status.description),
        "events": [
            (name, {key: value for key, value in attributes.items() if key != "exception.stacktrace"}, dropped)
            for name, attributes, dropped in events
        ],
        "links": links,
        "recording": span.is_recording(),
        "ended": span.end_time is not None,
    }


def work(span: Any) -> None:
    """Everything one may do with a span."""
    span.set_attribute("status", 200)
    span.set_attributes({"list": ["a", "b"], "bad": object()})
    if span.is_recording():
        set_attributes_unchecked(span, {"clean": "yes"})
    for number in range(3):
        span.add_event("event", {"number": number, "text": "x"}, timestamp=number)
        span.add_link(SpanContext(9, number + 1, is_remote=False), {"number": number})
    span.add_link(SpanContext(0, 0, is_remote=False))
    try:
        raise ValueError("no")
    except ValueError as error:
        span.record_exception(error)
    span.set_status(Status(StatusCode.ERROR, "no"))
    span.set_status(StatusCode.UNSET)
    span.update_name("GET /other")


class TestASpan:
    @for_each("context", CONTEXTS.values(), ids=CONTEXTS)
    @for_each(
        "sampler",
        [
            DEFAULT_ON,
            DEFAULT_OFF,
            ALWAYS_ON,
            ALWAYS_OFF,
            Reading(),
            ParentBasedTraceIdRatio(0.0),
            ParentBased(Reading()),
        ],
        ids=["default", "default-off", "on", "off", "reading", "ratio", "reading-root"],
    )
    @for_each("is_random", [True, False], ids=["random", "counted"])
    def test_is_in_everything_that_can_be_read_what_the_sdk_would_have_made(
        self, context: Callable[[], Context], sampler: Sampler, *, is_random: bool
    ) -> None:
        ours = started(provider(sampler=sampler, ids=Counting(is_random=is_random)), context())
        theirs = started_by_the_sdk(provider(sampler=sampler, ids=Counting(is_random=is_random)), context())

        assert everything(ours) == everything(theirs)

    @for_each("context", CONTEXTS.values(), ids=CONTEXTS)
    @for_each(
        "limits",
        [
            {},
            {"max_span_attributes": 4},
            {"max_events": 2, "max_links": 1},
            {"max_events": 0, "max_links": 0},
            {"max_event_attributes": 1},
        ],
        ids=["no limits", "attributes", "events and links", "neither", "attributes of events"],
    )
    def test_behaves_so_too_whatever_is_done_with_it(
        self, context: Callable[[], Context], limits: dict[str, Any]
    ) -> None:
        ours, theirs = (
            start(provider(DEFAULT_ON, Counting(), **limits), context()) for start in (started, started_by_the_sdk)
        )
        seen = []
        for span in (ours, theirs):
            work(span)
            running = everything(span)
            span.end(end_time=5)
            work(span)  # comes too late
            span.end(end_time=6)
            seen.append((running, everything(span)))

        assert seen[0] == seen[1]
        assert getattr(ours, "end_time", 5) == 5

    def test_takes_the_short_way_where_nothing_hinders_it(self) -> None:
        assert is_short(started(provider()))
        assert is_short(started(provider(sampler=ParentBasedTraceIdRatio(0.5)), below()))

    def test_records_what_is_raised_in_its_block(self) -> None:
        with pytest.raises(ValueError, match="no"), started(provider()) as span:
            raise ValueError("no")

        assert [event.name for event in span.events] == ["exception"]
        assert span.status.status_code is StatusCode.ERROR

    def test_keeps_every_event_of_threads_that_add_their_first_at_once(self) -> None:
        for _ in range(50):
            span = started(provider())
            ready = threading.Barrier(4)

            def add(span: Any = span, ready: threading.Barrier = ready) -> None:
                ready.wait()
                span.add_event("event")

            threads = [threading.Thread(target=add) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert len(span.events) == 4

    def test_that_threads_end_at_once_has_ended_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        of = provider()
        ended: list[object] = []
        monkeypatch.setattr(of._active_span_processor, "on_end", ended.append)
        span = started(of)
        threads = [threading.Thread(target=span.end) for _ in range(4)]
        with span._mutex:
            for thread in threads:
                thread.start()
            time.sleep(0.1)  # all wait for the lock now
        for thread in threads:
            thread.join()

        assert len(ended) == 1


class TestAProcessorOfTheApplication:
    def test_sees_the_attributes_as_the_span_starts(self) -> None:
        watching = Watching()
        span = started(provider(processor=watching))

        assert watching.started == [ATTRIBUTES]
        assert not is_short(span)

    def test_is_told_of_a_span_that_was_running_when_it_came(self) -> None:
        of = provider()
        watching = Watching()
        span = started(of)
        assert is_short(span)
        of.add_span_processor(watching)
        span.end()

        assert [ended.name for ended in watching.ended] == ["GET /messages/{id}"]
        assert all(type(ended) is ReadableSpan for ended in watching.ended)


class TestTheLongWayIsTaken:
    def test_by_an_sdk_whose_spans_can_do_more_than_ours(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(OwnSpan, "set_status", lambda *_: None)
        _sdk._check.cache_clear()
        span = started(provider())
        problem = SPANS.problem()
        monkeypatch.undo()

        assert not is_short(span)
        assert dict(span.attributes) == ATTRIBUTES
        assert "The SDK makes the spans" in str(problem)
        assert is_short(started(provider()))

    def test_where_the_sdk_counts_its_spans(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED", "true")

        assert not is_short(started(provider()))

    def test_by_a_tracer_that_is_switched_off(self) -> None:
        of = provider()
        tracer: Any = of.get_tracer("test", "")
        maker = SpanMaker(of, "test", "")
        tracer._tracer_config.is_enabled = False

        assert not maker.start("off", Context(), SpanKind.CLIENT, {}).is_recording()

    def test_by_somebody_elses_provider(self) -> None:
        watching = Watching()
        theirs = TracerProvider(shutdown_on_exit=False)
        theirs.add_span_processor(watching)

        assert not is_short(started(theirs))
        assert watching.started == [ATTRIBUTES]


class TestLimits:
    def test_more_than_the_limit_is_dropped_and_counted_as_the_sdk_does(self) -> None:
        span = started(provider(max_span_attributes=2))
        set_attributes_unchecked(span, {"route": "/messages/{id}"})

        assert dict(span.attributes) == {"server.port": 8000, "route": "/messages/{id}"}
        assert span.dropped_attributes == 1

    def test_with_a_limit_of_none_nothing_is_kept(self) -> None:
        span = started(provider(max_span_attributes=0))

        assert (dict(span.attributes), span.dropped_attributes) == ({}, len(ATTRIBUTES))

    def test_ids_count_too(self) -> None:
        with message_context(contact_id="c-1", message_id="m-1"):
            span = started(provider(max_span_attributes=3), with_ids())

        assert len(span.attributes) == 3
