"""
How each package is set up for benchmarks/overhead.py: as its own documentation says, with every signal it records.

Everything is imported inside functions: each environment has only its own packages, and importing is measured.
"""

from __future__ import annotations

import logging
import os
import sys
from contextlib import nullcontext
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

_SERVER: Final = ("fastapi==0.165.0", "uvicorn==0.54.0", "sqlalchemy==2.0.58")
"""What every environment has, in the same versions: contrib's SQLAlchemy instrumentation takes nothing newer."""

_OTEL: Final = ("opentelemetry-sdk==1.45.1", "opentelemetry-exporter-otlp-proto-http==1.45.1")
_CONTRIB: Final = (
    *_OTEL,
    "opentelemetry-instrumentation-fastapi==0.66b1",
    "opentelemetry-instrumentation-sqlalchemy==0.66b1",
    "opentelemetry-instrumentation-logging==0.66b1",
)


def _nothing(*_: Any) -> None:
    """Do nothing."""


def _unbound(_contact_id: str, _message_id: str) -> AbstractContextManager[Any]:
    return nullcontext()


@dataclass(frozen=True, kw_only=True)
class Running:
    """
    A subject at work.

    Args:
        count: Counts one message of a kind.
        flush: Sends what is still held.
        bind: Puts contact and message on what is recorded in its block.
    """

    count: Callable[[str], object] = _nothing
    flush: Callable[[], object] = _nothing
    bind: Callable[[str, str], AbstractContextManager[Any]] = _unbound


@dataclass(frozen=True, kw_only=True)
class Subject:
    """
    One package, set up in one way.

    Args:
        requirements: What its environment needs beside the server.
        modules: What is imported, and so measured, before its set-up.
        patch: Called before the application and its engine are made, for those that replace what makes them.
        start: Sets it up for an application and an engine.
        signals: What it claims to record; the sink must have seen each.
        packages: Whose versions the table names.
        environ: Variables it is configured by; ``{sink}`` is the sink's address.
        peer: Whether it records all three signals, so that it is compared with.
    """

    requirements: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    patch: Callable[[], object] = _nothing
    start: Callable[[Any, Any], Running]
    signals: tuple[str, ...] = ("spans", "logs", "metrics")
    packages: tuple[str, ...] = ()
    environ: tuple[tuple[str, str], ...] = ()
    peer: bool = True

    @property
    def all_requirements(self) -> tuple[str, ...]:
        """Everything to install."""
        return (*_SERVER, *self.requirements)

    def load(self) -> None:
        """Import the modules of the set-up."""
        for module in self.modules:
            import_module(module)


def _log_to_stdout(handler: logging.Handler | None = None) -> None:
    """Plain lines, as an application without telemetry writes them; *handler* is what exports them too."""
    handlers = [logging.StreamHandler(sys.stdout), *([handler] if handler else [])]
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s", handlers=handlers)


def start_bare(app: Any, engine: Any) -> Running:
    """No telemetry: the base of the comparison."""
    del engine
    app.state.telemetry = None
    _log_to_stdout()
    return Running()


def _start_sdk(*, hook_logs: bool = True) -> Running:
    """Plain OpenTelemetry: three providers, batch processors, OTLP over HTTP, all with their defaults."""
    trace, metrics, logs = (import_module(f"opentelemetry.{name}") for name in ("trace", "metrics", "_logs"))
    trace_sdk, trace_export = import_module("opentelemetry.sdk.trace"), import_module("opentelemetry.sdk.trace.export")
    metrics_sdk = import_module("opentelemetry.sdk.metrics")
    metrics_export = import_module("opentelemetry.sdk.metrics.export")
    logs_sdk, logs_export = import_module("opentelemetry.sdk._logs"), import_module("opentelemetry.sdk._logs.export")
    otlp = "opentelemetry.exporter.otlp.proto.http"
    tracers = trace_sdk.TracerProvider()
    spans = import_module(f"{otlp}.trace_exporter").OTLPSpanExporter()
    tracers.add_span_processor(trace_export.BatchSpanProcessor(spans))
    trace.set_tracer_provider(tracers)
    reader = metrics_export.PeriodicExportingMetricReader(
        import_module(f"{otlp}.metric_exporter").OTLPMetricExporter(),
        export_interval_millis=float(os.environ.get("OTEL_METRIC_EXPORT_INTERVAL", "15000")),
    )
    meters = metrics_sdk.MeterProvider(metric_readers=[reader])
    metrics.set_meter_provider(meters)
    loggers = logs_sdk.LoggerProvider()
    records = import_module(f"{otlp}._log_exporter").OTLPLogExporter()
    loggers.add_log_record_processor(logs_export.BatchLogRecordProcessor(records))
    logs.set_logger_provider(loggers)
    if hook_logs:
        handler = import_module("opentelemetry.instrumentation.logging.handler").LoggingHandler(logger_provider=loggers)
        _log_to_stdout(handler)
    counter = metrics.get_meter("application").create_counter("messages.inbound", "{message}")

    def flush() -> None:
        for provider in (tracers, meters, loggers):
            provider.force_flush()

    return Running(count=lambda kind: counter.add(1, {"kind": kind}), flush=flush)


def start_native(app: Any, engine: Any) -> Running:
    """FastAPI's own telemetry through the global providers, with contrib's packages for SQL and logs."""
    del app
    running = _start_sdk()
    import_module("opentelemetry.instrumentation.sqlalchemy").SQLAlchemyInstrumentor().instrument(engine=engine)
    return running


def start_contrib(app: Any, engine: Any, **options: Any) -> Running:
    """Plain OpenTelemetry with contrib's instrumentations and, without *options*, every default."""
    running = start_native(app, engine)
    import_module("opentelemetry.instrumentation.fastapi").FastAPIInstrumentor.instrument_app(app, **options)
    return running


def start_contrib_tuned(app: Any, engine: Any) -> Running:
    """The same without the spans of each ASGI message, as those who measured it run it."""
    return start_contrib(app, engine, exclude_spans=["receive", "send"])


def start_logfire(app: Any, engine: Any) -> Running:
    """Logfire, sending to any OTLP receiver as its documentation's page on alternative backends says."""
    logfire = import_module("logfire")
    logfire.configure(send_to_logfire=False, console=False, service_name="application")
    logfire.instrument_fastapi(app)
    logfire.instrument_sqlalchemy(engine)
    _log_to_stdout(logfire.LogfireLoggingHandler())
    counter = logfire.metric_counter("messages.inbound", unit="{message}")
    return Running(count=lambda kind: counter.add(1, {"kind": kind}), flush=logfire.force_flush)


def start_elastic(app: Any, engine: Any) -> Running:
    """Elastic's agent: transactions, spans and metrics to its server, ECS lines with ids on stdout."""
    del engine
    starlette, ecs_logging = import_module("elasticapm.contrib.starlette"), import_module("ecs_logging")
    sink = os.environ["OVERHEAD_SINK"]
    client = starlette.make_apm_client(
        {
            "SERVICE_NAME": "application",
            "SERVER_URL": sink,
            "CENTRAL_CONFIG": False,
            "CLOUD_PROVIDER": "none",
            "METRICS_INTERVAL": "15s",
        }
    )
    app.add_middleware(starlette.ElasticAPM, client=client)
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(ecs_logging.StdlibFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    counted = import_module("elasticapm.metrics.base_metrics").MetricSet(client.metrics)
    client.metrics._metricsets["application"] = counted  # noqa: SLF001 - the agent has no public counter of one's own
    return Running(
        count=lambda kind: counted.counter("messages.inbound", kind=kind).inc(),
        flush=lambda: (client.metrics.collect(), client._transport.flush()),  # noqa: SLF001 - nor a public flush
    )


def start_ddtrace(app: Any, engine: Any) -> Running:
    """Datadog's tracer: spans to its agent, logs and metrics by OTLP, configured by its variables."""
    del app, engine
    tracer = import_module("ddtrace.trace").tracer
    metrics, logs = import_module("opentelemetry.metrics"), import_module("opentelemetry._logs")
    _log_to_stdout()
    counter = metrics.get_meter("application").create_counter("messages.inbound", "{message}")

    def flush() -> None:
        tracer.flush()
        metrics.get_meter_provider().force_flush()
        logs.get_logger_provider().force_flush()

    return Running(count=lambda kind: counter.add(1, {"kind": kind}), flush=flush)


def start_sentry(app: Any, engine: Any) -> Running:
    """
    Sentry's SDK: every request traced, logs and metrics on; its integrations find FastAPI and SQLAlchemy.

    Its queue holds 100 envelopes, one a request, and drops what is more: it gets room, so that it does the work.
    """
    del app, engine
    sentry_sdk = import_module("sentry_sdk")
    sink = os.environ["OVERHEAD_SINK"].replace("//", "//key@")
    sentry_sdk.init(dsn=f"{sink}/1", traces_sample_rate=1.0, enable_logs=True, transport_queue_size=10_000)
    _log_to_stdout()
    return Running(
        count=lambda kind: sentry_sdk.metrics.count("messages.inbound", 1, attributes={"kind": kind}),
        flush=sentry_sdk.flush,
    )


def start_instrumentator(app: Any, engine: Any) -> Running:
    """Metrics only, scraped."""
    del engine
    import_module("prometheus_fastapi_instrumentator").Instrumentator().instrument(app).expose(app)
    counter = import_module("prometheus_client").Counter("messages_inbound", "Messages that came in", ["kind"])
    _log_to_stdout()
    return Running(count=lambda kind: counter.labels(kind).inc())


def _start_ours(app: Any, engine: Any, **arguments: Any) -> Running:
    ours = import_module("whatsself_otel")
    telemetry = ours.setup_telemetry(app=app, engine=engine, **arguments)
    inbound = telemetry.metrics.message_inbound
    return Running(
        count=lambda kind: inbound(kind=kind, contact_id="c-1"),
        flush=lambda: telemetry.force_flush(timeout_s=120),
        bind=lambda contact_id, message_id: ours.message_context(contact_id=contact_id, message_id=message_id),
    )


def start_ours(app: Any, engine: Any) -> Running:
    """This package with its defaults."""
    return _start_ours(app, engine)


def start_ours_by_contrib(app: Any, engine: Any) -> Running:
    """This package by contrib's instrumentation."""
    config = import_module("whatsself_otel").TelemetryConfig(instrumentation="contrib")
    return _start_ours(app, engine, config=config)


_OTLP: Final = (("OTEL_EXPORTER_OTLP_ENDPOINT", "{sink}"), ("OTEL_SERVICE_NAME", "application"))
_OURS: Final = ("{root}", "msgpack==1.2.4")
"""The receivers run in this environment too, and read what Datadog's tracer sends."""
_SDK_MODULES: Final = (
    "opentelemetry.sdk.trace.export",
    "opentelemetry.sdk.metrics.export",
    "opentelemetry.sdk._logs.export",
    "opentelemetry.exporter.otlp.proto.http.trace_exporter",
    "opentelemetry.exporter.otlp.proto.http.metric_exporter",
    "opentelemetry.exporter.otlp.proto.http._log_exporter",
    "opentelemetry.instrumentation.sqlalchemy",
)

_OURS_DEFAULT: Final = Subject(
    requirements=_OURS,
    modules=("whatsself_otel",),
    start=start_ours,
    packages=("whatsself-otel",),
    environ=_OTLP,
    peer=False,
)
_CONTRIB_DEFAULT: Final = Subject(
    requirements=_CONTRIB,
    modules=(*_SDK_MODULES, "opentelemetry.instrumentation.fastapi"),
    start=start_contrib,
    packages=("opentelemetry-sdk", "opentelemetry-instrumentation-fastapi"),
    environ=_OTLP,
)

SUBJECTS: Final = {
    "bare": Subject(start=start_bare, signals=(), peer=False),
    "ours": _OURS_DEFAULT,
    "ours-by-contrib": replace(_OURS_DEFAULT, start=start_ours_by_contrib),
    "contrib": _CONTRIB_DEFAULT,
    "contrib-tuned": replace(
        _CONTRIB_DEFAULT,
        start=start_contrib_tuned,
        environ=(*_OTLP, ("OTEL_SEMCONV_STABILITY_OPT_IN", "http,database")),
    ),
    "fastapi-native": Subject(
        requirements=_CONTRIB,
        modules=_SDK_MODULES,
        start=start_native,
        packages=("fastapi", "opentelemetry-sdk"),
        environ=_OTLP,
    ),
    "logfire": Subject(
        requirements=("logfire==5.4.0", *_CONTRIB),
        modules=("logfire",),
        start=start_logfire,
        signals=("spans", "metrics"),  # its log lines are spans without a length
        packages=("logfire",),
        environ=_OTLP,
    ),
    "elastic": Subject(
        requirements=("elastic-apm==6.26.2", "ecs-logging"),
        modules=("elasticapm.contrib.starlette", "ecs_logging"),
        patch=lambda: import_module("elasticapm").instrument(),
        start=start_elastic,
        packages=("elastic-apm",),
    ),
    "ddtrace": Subject(
        requirements=("ddtrace==4.16.0", *_OTEL),
        modules=("ddtrace.auto",),
        start=start_ddtrace,
        packages=("ddtrace",),
        environ=(
            *_OTLP,
            ("DD_TRACE_AGENT_URL", "{sink}"),
            ("DD_LOGS_OTEL_ENABLED", "true"),
            ("DD_METRICS_OTEL_ENABLED", "true"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
            ("DD_REMOTE_CONFIGURATION_ENABLED", "false"),
            ("DD_INSTRUMENTATION_TELEMETRY_ENABLED", "false"),
        ),
    ),
    "sentry": Subject(
        requirements=("sentry-sdk[fastapi,sqlalchemy]==2.75.0",),
        modules=("sentry_sdk",),
        start=start_sentry,
        packages=("sentry-sdk",),
    ),
    "instrumentator": Subject(
        requirements=("prometheus-fastapi-instrumentator==8.1.0",),
        modules=("prometheus_fastapi_instrumentator",),
        start=start_instrumentator,
        signals=("metrics",),
        packages=("prometheus-fastapi-instrumentator",),
        peer=False,
    ),
}
