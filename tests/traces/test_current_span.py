"""Beside another tracer provider, each provider exports complete trees of its spans."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from asgi_client import http, listen
from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context
from otlp_sink import Sink
from sqlalchemy import create_engine, text
from starlette.background import BackgroundTask

from whatsself_otel import Telemetry, capture_context
from whatsself_otel.integrations.background_tasks import trace_background_tasks

Start = Callable[..., Telemetry]
log = logging.getLogger("shop")


class Others:
    """Another library's provider, with the spans that it has exported."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = self.provider.get_tracer("theirs")

    def parents(self) -> dict[str, str | None]:
        spans = self.exporter.get_finished_spans()
        names = {span.context.span_id: span.name for span in spans if span.context}
        return {span.name: names.get(span.parent.span_id, "?") if span.parent else None for span in spans}


@pytest.fixture
def others() -> Others:
    return Others()


def ours(telemetry: Telemetry, sink: Sink) -> dict[str, str | None]:
    """Return our spans, and what each is the child of: None for a root, ``?`` for a span that is not ours."""
    assert telemetry.force_flush(30)
    spans = sink.spans()
    names = {span.span_id: span.name for span in spans}
    return {span.name: names.get(span.parent_id, "?") if span.parent_id else None for span in spans}


class TestSpansOfTwoProviders:
    def test_that_are_nested_in_turn_are_two_whole_trees(self, start: Start, sink: Sink, others: Others) -> None:
        engine = create_engine("sqlite://")
        telemetry = start(engine=engine)
        tracer = telemetry.tracer
        with others.tracer.start_as_current_span("t1"), tracer.start_as_current_span("o1"):
            with others.tracer.start_as_current_span("t2"), tracer.start_as_current_span("o2"):
                tracer.start_span("o3").end()
                with engine.connect() as connection:
                    connection.execute(text("select 1"))
            assert trace.get_current_span().get_span_context().is_valid
        engine.dispose()

        assert others.parents() == {"t2": "t1", "t1": None}
        assert ours(telemetry, sink) == {"SELECT": "o2", "o3": "o2", "o2": "o1", "o1": None}
        assert telemetry.health().problems == ()

    def test_that_begin_with_ours_are_one_whole_tree_and_a_problem_of_health(
        self, start: Start, sink: Sink, others: Others
    ) -> None:
        telemetry = start()
        with telemetry.tracer.start_as_current_span("o1"), others.tracer.start_as_current_span("t1"):
            telemetry.tracer.start_span("o2").end()

        assert ours(telemetry, sink) == {"o1": None, "o2": "o1"}
        assert "instrument_fastapi(app)" in " ".join(telemetry.health().problems)

    def test_records_and_jobs_belong_to_our_span(self, start: Start, sink: Sink, others: Others) -> None:
        telemetry = start()
        with telemetry.tracer.start_as_current_span("o1"), others.tracer.start_as_current_span("t1"):
            log.warning("below theirs")
            carrier = capture_context()
        assert telemetry.force_flush(30)

        (span,) = sink.spans()
        (record,) = [record for record in sink.logs() if record.scope == "shop"]
        assert (record.trace_id, record.span_id) == (span.trace_id, span.span_id)
        assert carrier["traceparent"].split("-")[1:3] == [span.trace_id, span.span_id]

    def test_a_senders_span_and_a_context_of_the_caller_are_parents_as_ever(self, start: Start, sink: Sink) -> None:
        telemetry = start()
        for is_remote in (True, False):
            sender = SpanContext(1, 2, is_remote=is_remote, trace_flags=TraceFlags(1))
            telemetry.tracer.start_span("o1", set_span_in_context(NonRecordingSpan(sender))).end()
        assert telemetry.force_flush(30)

        assert [(span.trace_id, span.parent_id) for span in sink.spans()] == [(f"{1:032x}", f"{2:016x}")] * 2

    def test_a_span_that_is_made_current_by_the_api_is_a_parent(self, start: Start, sink: Sink) -> None:
        telemetry = start()
        with trace.use_span(telemetry.tracer.start_span("o1"), end_on_exit=True):
            telemetry.tracer.start_span("o2").end()

        assert ours(telemetry, sink) == {"o1": None, "o2": "o1"}

    def test_a_span_of_a_provider_that_says_nothing_of_itself_is_not_ours(self, start: Start, sink: Sink) -> None:
        class Bare(NonRecordingSpan):
            def is_recording(self) -> bool:
                return True

        telemetry = start()
        with trace.use_span(Bare(SpanContext(1, 2, is_remote=False))):
            telemetry.tracer.start_span("o1").end()

        assert ours(telemetry, sink) == {"o1": None}


class TestTwoInstrumentationsOfOneApplication:
    @pytest.mark.parametrize("who", ["ours first", "theirs first"])
    async def test_give_a_root_each_and_undo_each_alone(
        self, start: Start, sink: Sink, others: Others, who: str
    ) -> None:
        app = FastAPI()

        @app.get("/work/{name}")
        async def work(name: str) -> str:
            with others.tracer.start_as_current_span("t1"):
                log.warning("working")
            return name

        def instrument_by_others() -> None:
            FastAPIInstrumentor.instrument_app(app, tracer_provider=others.provider, exclude_spans=["send", "receive"])

        steps: list[Callable[[], Any]] = [lambda: start(app), instrument_by_others]
        results = [step() for step in (steps if who == "ours first" else reversed(steps))]
        (telemetry,) = [result for result in results if result is not None]
        sent, _ = await listen(app, http("/work/a"), [])

        assert ours(telemetry, sink) == {"GET /work/{name}": None}
        assert others.parents() == {"t1": "GET /work/{name}", "GET /work/{name}": None}
        assert [name for name, _ in sent[0]["headers"]].count(b"x-request-id") == 1
        (record,) = [record for record in sink.logs() if record.scope == "shop"]
        assert record.attributes["requestId"] == sink.spans()[0].attributes["requestId"]

        telemetry.shutdown()
        others.exporter.clear()
        sent, _ = await listen(app, http("/work/b"), [])
        assert others.parents() == {"t1": "GET /work/{name}", "GET /work/{name}": None}
        assert b"x-request-id" not in dict(sent[0]["headers"])
        FastAPIInstrumentor.uninstrument_app(app)


async def test_background_tasks_are_not_traced_by_telemetry_that_has_ended(
    others: Others, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Contrib wraps our function and puts it back after our shutdown."""
    monkeypatch.setattr(BackgroundTask, "__call__", BackgroundTask.__call__)
    undo = trace_background_tasks(others.tracer)
    put_back = BackgroundTask.__call__
    monkeypatch.setattr(BackgroundTask, "__call__", lambda _self: None)
    undo()
    monkeypatch.setattr(BackgroundTask, "__call__", put_back)

    await BackgroundTask(log.info, "done later")()
    assert others.parents() == {}
