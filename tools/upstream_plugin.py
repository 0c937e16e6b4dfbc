"""
Loaded by pytest beside OpenTelemetry's own tests: puts our instrumentation where they look for contrib's.

``UPSTREAM_SUBJECT`` is ``upstream`` (nothing of us), ``contrib`` (its packages as we configure them) or ``ours``;
outcomes go to ``UPSTREAM_RESULT``.
"""

from __future__ import annotations

import json
import os
import weakref
from pathlib import Path
from typing import Any, ClassVar
from unittest.mock import patch

import opentelemetry.exporter.otlp.proto.common._log_encoder as their_logs
import opentelemetry.exporter.otlp.proto.common.metrics_encoder as their_metrics
import opentelemetry.exporter.otlp.proto.common.trace_encoder as their_traces
import opentelemetry.instrumentation.asgi as their_asgi
import opentelemetry.instrumentation.fastapi as their_fastapi
import opentelemetry.instrumentation.sqlalchemy as their_sqlalchemy
import opentelemetry.instrumentation.sqlalchemy.engine as their_engine
from asgiref.testing import ApplicationCommunicator
from opentelemetry import metrics, trace
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from whatsself_otel import Masker, _sdk
from whatsself_otel.catalogue import SCHEMA_URL
from whatsself_otel.export.encoding import Encoder, join
from whatsself_otel.integrations import own_fastapi
from whatsself_otel.integrations.contrib_statements import StatementTracer
from whatsself_otel.integrations.fastapi import RequestMiddleware, instrument_app, uninstrument_app
from whatsself_otel.integrations.outcomes import Durations
from whatsself_otel.integrations.routes import RouteIndex
from whatsself_otel.integrations.serving import FastAPIOptions, Serving
from whatsself_otel.integrations.sqlalchemy import instrument_engine, uninstrument_engine
from whatsself_otel.metrics.metric_masking import Losses
from whatsself_otel.traces.processors import OpenRequests
from whatsself_otel.traces.spans import SpanMaker

IS_OURS = os.environ["UPSTREAM_SUBJECT"] == "ours"
OUTCOMES: dict[str, str] = {}
_PATIENCE_S = 0.5
_OPT_IN = "OTEL_SEMCONV_STABILITY_OPT_IN"


def options(arguments: dict[str, Any]) -> FastAPIOptions:
    """Return our options for an upstream call, as far as we have an equivalent."""
    tracers = arguments.get("tracer_provider") or trace.get_tracer_provider()
    meters = arguments.get("meter_provider") or metrics.get_meter_provider()
    excluded = arguments.get("excluded_urls")
    if excluded is None:
        excluded = os.environ.get("OTEL_PYTHON_FASTAPI_EXCLUDED_URLS", "")
    return FastAPIOptions(
        tracer_provider=tracers,
        meter=meters.get_meter("whatsself_otel"),
        requests=OpenRequests(),
        masker=Masker(),
        excluded_urls=tuple(filter(None, excluded.split(","))),
        own=IS_OURS,
    )


class Application:
    """Puts ours in the place of ``FastAPIInstrumentor``'s two functions; contrib's way of ours calls the originals."""

    def __init__(self) -> None:
        self._instrument = their_fastapi.FastAPIInstrumentor.instrument_app
        self._uninstrument = their_fastapi.FastAPIInstrumentor.uninstrument_app
        self._is_inside = False

    def instrument(self, app: Any, **arguments: Any) -> None:
        """Instrument *app* by us."""
        if self._is_inside:
            self._instrument(app, **arguments)
            return
        self._is_inside = True
        with patch.dict(os.environ):
            os.environ.pop(_OPT_IN, None)
            instrument_app(app, options(arguments))
            app._is_instrumented_by_opentelemetry = True  # noqa: SLF001 - what upstream's tests look at
        self._is_inside = False

    def uninstrument(self, app: Any) -> None:
        """Undo that."""
        if self._is_inside:
            self._uninstrument(app)
            return
        self._is_inside = True
        uninstrument_app(app)
        app._is_instrumented_by_opentelemetry = False  # noqa: SLF001 - as above
        app.middleware_stack = app.build_middleware_stack()
        self._is_inside = False


class Middleware(RequestMiddleware):
    """Ours with the signature of contrib's ASGI middleware, for applications without routes."""

    routes: tuple[Any, ...] = ()

    def __init__(self, app: Any, *_: Any, **arguments: Any) -> None:
        given = options(arguments)
        spans = SpanMaker(given.tracer_provider, "opentelemetry.instrumentation.asgi", "0", SCHEMA_URL)
        requests = own_fastapi.ServerSpanMiddleware(app, given, spans, Durations(given.meter), RouteIndex(self))
        super().__init__(app, given, Serving(requests.serve, app))


class ConfiguredMiddleware(their_asgi.OpenTelemetryMiddleware):
    """Contrib's as we configure it."""

    def __init__(self, app: Any, *arguments: Any, **options: Any) -> None:
        with patch.dict(os.environ):
            os.environ.pop(_OPT_IN, None)
            _sdk.use_stable_conventions()
            super().__init__(app, *arguments, **options | {"exclude_spans": ["receive", "send"]})


class EngineTracer(their_engine.EngineTracer):
    """Ours with the signature of contrib's tracer of one engine."""

    _engines: ClassVar[Any] = weakref.WeakSet()
    """Upstream's tests undo all at once, by the class."""

    def __init__(self, tracer: Any, engine: Any, *arguments: Any, **options: Any) -> None:
        with patch.dict(os.environ):
            os.environ.pop(_OPT_IN, None)
            _sdk.use_stable_conventions()
            if IS_OURS:
                instrument_engine(engine, _Tracers(tracer), own=True)  # type: ignore[arg-type]
                self._engines.add(engine)
            else:
                StatementTracer(tracer, engine, *arguments, **options)

    @classmethod
    def remove_all_event_listeners(cls) -> None:
        """Undo all."""
        while cls._engines:
            uninstrument_engine(cls._engines.pop())
        super().remove_all_event_listeners()  # type: ignore[no-untyped-call]


class _Tracers:
    """A provider of the one tracer that upstream has made."""

    def __init__(self, tracer: Any) -> None:
        self._tracer = tracer

    def get_tracer(self, *_: Any) -> Any:
        """Return it."""
        return self._tracer


def encode_spans(spans: Any) -> Any:
    """Encode *spans* by us."""
    return ExportTraceServiceRequest.FromString(join(map(Encoder().span, spans)))


def encode_logs(records: Any) -> Any:
    """Encode *records* by us."""
    return ExportLogsServiceRequest.FromString(join(map(Encoder().log, records)))


def encode_metrics(data: Any) -> Any:
    """Encode *data* by us."""
    return ExportMetricsServiceRequest.FromString(Encoder().metrics(data, Losses()))


def pytest_configure() -> None:
    """Put ours in place, before the tests are imported."""
    instrumentor: Any = their_sqlalchemy.SQLAlchemyInstrumentor
    instrument = instrumentor.instrument
    # Contrib refuses SQLAlchemy 2.1, which it can trace.
    instrumentor.instrument = lambda self, **options: instrument(self, **options, skip_dep_check=True)
    _wait_longer()
    if os.environ["UPSTREAM_SUBJECT"] != "upstream":
        _replace()


def _wait_longer() -> None:
    """Let the ASGI tests wait for an answer on a busy machine too: theirs take 10 ms without one for the end."""
    communicator: Any = ApplicationCommunicator
    receive = communicator.receive_output

    async def receive_output(self: Any, timeout: float = 1) -> Any:  # noqa: ASYNC109 - asgiref's signature
        return await receive(self, max(timeout, _PATIENCE_S))

    communicator.receive_output = receive_output


def _replace() -> None:
    application = Application()
    instrumentor: Any = their_fastapi.FastAPIInstrumentor
    instrumentor.instrument_app = staticmethod(application.instrument)
    instrumentor.uninstrument_app = staticmethod(application.uninstrument)
    places: list[tuple[Any, str, Any]] = [
        (their_asgi, "OpenTelemetryMiddleware", Middleware if IS_OURS else ConfiguredMiddleware),
        (their_sqlalchemy, "EngineTracer", EngineTracer),
        (their_engine, "EngineTracer", EngineTracer),
    ]
    if IS_OURS:
        places += [
            (their_traces, "encode_spans", encode_spans),
            (their_logs, "encode_logs", encode_logs),
            (their_metrics, "encode_metrics", encode_metrics),
        ]
    for module, name, ours in places:
        setattr(module, name, ours)


def pytest_runtest_logreport(report: Any) -> None:
    """Keep what became of each test; the first failure of one stays."""
    if report.skipped:
        OUTCOMES.setdefault(report.nodeid, "skipped")
    elif report.failed and OUTCOMES.get(report.nodeid, "") in {"", "passed"}:
        crash = getattr(report.longrepr, "reprcrash", None)
        OUTCOMES[report.nodeid] = f"failed: {getattr(crash, 'message', report.longrepr)}"
    elif report.when == "call":
        OUTCOMES.setdefault(report.nodeid, "passed")


def pytest_sessionfinish() -> None:
    """Write it down."""
    Path(os.environ["UPSTREAM_RESULT"]).write_text(json.dumps(OUTCOMES), encoding="utf-8")
