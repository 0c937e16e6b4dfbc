"""A canary through every way in; not one comes out, and each hook that stops one is needed."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from opentelemetry import metrics, trace
from opentelemetry._logs import LogRecord, get_logger
from opentelemetry.propagate import inject
from opentelemetry.trace import Link, SpanContext, Status, StatusCode, TraceFlags, TraceState
from otlp_sink import Sink, run_sink
from rows import for_each
from sqlalchemy import create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from whatsself_otel import Masker, TelemetryConfig, message_context, setup, setup_telemetry
from whatsself_otel.catalogue import CONTACT_ID
from whatsself_otel.config import INSTRUMENTATIONS
from whatsself_otel.export import encoding, exporters, resource
from whatsself_otel.export.encoding import Encoder
from whatsself_otel.integrations.fastapi import RequestMiddleware
from whatsself_otel.logs import LoggingInstallation, TelemetryHandler, handler
from whatsself_otel.logs.hooks import Hooks
from whatsself_otel.metrics import metric_masking
from whatsself_otel.metrics.metric_masking import MetricMasker
from whatsself_otel.traces import processors, propagation

BODY = "oi quero cancelar meu pedido secreto"
PASSWORD = "s3nh4-do-adm1n"  # noqa: S105 - a canary


class Canaries:
    """A different phone for every way in, so that a leak names its door."""

    def __init__(self) -> None:
        self._numbers: dict[str, str] = {}

    def __call__(self, door: str) -> str:
        return self._numbers.setdefault(door, f"55119{70000000 + 1111 * (len(self._numbers) + 1):08d}")

    def leaks(self, *outputs: bytes) -> set[str]:
        """The doors whose canary is in any of *outputs*, whole or without its country code, and other secrets."""
        everything = b"\n".join(outputs)
        found = {door for door, number in self._numbers.items() if number[2:].encode() in everything}
        return found | {word for word in (BODY, PASSWORD) if word.encode() in everything}

    def tell_leaks(self, outputs: dict[str, bytes]) -> None:
        """Print each leaked canary with its surroundings, for a failing test."""
        for place, output in outputs.items():
            for door in self.leaks(output):
                word = self._numbers[door][2:] if door in self._numbers else door
                at = output.find(word.encode())
                sys.stdout.write(f"{door} is in {place}: {output[max(0, at - 600) : at + 200]!r}\n")


class Contact:
    """An object whose repr shows personal data."""

    def __init__(self, phone: str) -> None:
        self.phone = phone

    def __repr__(self) -> str:
        return f"Contact(phone='{self.phone}', name='Maria')"


def build_app(canary: Canaries, engine: Any, outgoing: dict[str, str]) -> FastAPI:
    app = FastAPI()

    @app.get("/contacts/{phone}")
    async def read(phone: str) -> None:
        del phone
        message_id = f"true_{canary('serialised id')}@c.us_3EB0A1_out"
        with message_context(contact_id=canary("context"), message_id=message_id):
            inject(outgoing)
            use_logs(canary)
            use_spans(canary)
            use_database(canary, engine)

    @app.get("/fail")
    async def fail() -> None:
        try:
            raise KeyError(f"cause {canary('exception cause')}")
        except KeyError as cause:
            error = ValueError(f"to +{canary('exception message')}")
            error.add_note(f"note {canary('exception note')}")
            raise error from cause

    @app.get("/group")
    async def fail_twice() -> None:
        first, second = KeyError(f"+{canary('exception in a group')}"), ValueError("harmless")
        raise ExceptionGroup(f"two for +{canary('exception group')}", [first, second])

    return app


def use_logs(canary: Canaries) -> None:
    log = logging.getLogger("shop")
    log.info("to %s", canary("log argument"))
    log.info(f"to +{canary('log message')}")  # noqa: G004 - as users write it
    log.info("%r", Contact(canary("log repr")))
    log.info({"to": canary("log dictionary"), "body": BODY})
    log.info("%s", canary("log bytes").encode())
    log.info("number %d", int(canary("log integer")))
    log.info("extra", extra={"phone": canary("extra")})
    log.info("deep", extra={"deep": [{"jid": f"{canary('deep extra')}@s.whatsapp.net", "caption": BODY}]})
    log.info("set", extra={"people": {canary("set extra")}, "who": Contact(canary("extra repr"))})
    log.info("key", extra={canary("extra key"): 1})
    log.info("secret", extra={"password": PASSWORD, "url": f"postgresql://app:{PASSWORD}@db/shop"})
    logging.getLogger(f"shop.{canary('logger name')}").info("x")
    logging.getLogger("uvicorn.access").info('"GET /contacts/%s HTTP/1.1" 200', canary("access line"))
    logging.getLogger("gunicorn.error").error("worker failed for +%s", canary("gunicorn's line"))
    logging.getLogger("httpx").info(
        'HTTP Request: %s %s "%s"', "GET", f"https://app:{PASSWORD}@api/send?to={canary('line of httpx')}", "200 OK"
    )
    try:
        raise RuntimeError(f"failed for {canary('logged exception')}")
    except RuntimeError:
        log.exception("failed")
    record = LogRecord(body=f"to {canary('logs api')}", attributes={"phone": canary("logs api key")})
    record.event_name = f"called +{canary('logs api event')}"
    record.severity_text = f"loud +{canary('logs api severity')}"
    get_logger(f"library +{canary('scope of logs')}").emit(record)


def use_spans(canary: Canaries) -> None:
    tracer = trace.get_tracer(
        f"shop +{canary('scope of spans')}", attributes={"note": f"+{canary('attribute of a scope')}"}
    )
    state = TraceState([("shop", canary("tracestate of a link"))])
    linked = SpanContext(1, 1, is_remote=True, trace_flags=TraceFlags(1), trace_state=state)
    link = Link(linked, {"note": f"+{canary('link attribute')}"})
    with tracer.start_as_current_span(f"send to +{canary('span name')}", links=[link]) as span:
        span.set_attribute("note", f"+{canary('span attribute')}")
        span.set_attribute("list", [f"+{canary('span list')}"])
        span.set_attribute("phone.number", int(canary("span integer")))
        span.set_attribute("url.full", f"https://api.example/send?to=%2B{canary('outgoing url')}&token={PASSWORD}")
        span.set_attribute("url.fragment", f"to={canary('fragment')}")
        span.set_attribute("http.request.header.x-customer", [f"+{canary('captured header')}"])
        span.set_attribute(CONTACT_ID, canary("id attribute"))
        span.add_event(f"called +{canary('event name')}", {"note": f"+{canary('event attribute')}"})
        span.record_exception(ValueError(f"+{canary('recorded exception')}"))
        span.set_status(Status(StatusCode.ERROR, f"no answer from +{canary('status')}"))
        meter = metrics.get_meter(f"shop +{canary('scope of metrics')}")
        histogram = meter.create_histogram("shop.sizes", description=f"of +{canary('description')}")
        histogram.record(1, {"note": f"+{canary('metric attribute')}"})
        meter.create_counter(f"shop.of.{canary('metric name')}").add(1)


def use_database(canary: Canaries, engine: Any) -> None:
    with engine.connect() as connection:
        connection.execute(text(f"select '{canary('sql literal')}'"))
        connection.execute(text("select :phone"), {"phone": canary("echoed parameter")})
        connection.execute(text("select :note"), {"note": BODY})
        connection.execute(text("create table if not exists contact (phone text primary key)"))
        for _ in range(2):
            try:
                connection.execute(text("insert into contact values (:phone)"), {"phone": canary("sql parameter")})
            except SQLAlchemyError as error:
                logging.getLogger("shop").warning("%s", error)
        try:
            connection.execute(text(f'select * from "{canary("driver message")}"'))  # noqa: S608 - that is the leak under test
        except SQLAlchemyError:
            logging.getLogger("shop").exception("database")


def raise_in_thread(canary: Canaries) -> None:
    def fail() -> None:
        raise RuntimeError(f"thread for +{canary('thread exception')}")

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()


async def raise_in_task(canary: Canaries) -> None:
    async def fail() -> None:
        raise RuntimeError(f"task for +{canary('task exception')}")

    task = asyncio.get_running_loop().create_task(fail())
    await asyncio.wait([task])
    del task


async def walk_every_door(canary: Canaries, app: FastAPI) -> bytes:
    """Use every door; return the text of a scrape of /metrics."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
        path = f"/contacts/%2B{canary('path')}?phone=%252B{canary('query')}&text=call+{canary('query text')}"
        headers = {
            "user-agent": f"bot {canary('user agent')}",
            "x-request-id": canary("request id"),
            "baggage": f"phone={canary('baggage')}",
            "traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01",
            "tracestate": f"shop={canary('tracestate')}",
        }
        answer = await client.get(path, headers=headers)
        failed = await client.get("/fail")
        failed_twice = await client.get("/group")
        assert (answer.status_code, failed.status_code, failed_twice.status_code) == (200, 500, 500)
        raise_in_thread(canary)
        await raise_in_task(canary)
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.showwarning(f"old +{canary('warning')}", UserWarning, "shop.py", 1)
        scrape = await client.get("/metrics", headers={"accept": "application/openmetrics-text"})
        return scrape.content + repr(sorted((*answer.headers.raw, *failed.headers.raw))).encode()


@dataclass
class TaintRun:
    """Walks every door once and says which canaries came out."""

    sink: Sink
    capfd: pytest.CaptureFixture[str]
    instrumentation: str
    canary: Canaries = field(default_factory=Canaries)

    def leaks(self) -> set[str]:
        outgoing: dict[str, str] = {}
        engine = create_engine("sqlite://", echo=True)
        logging.getLogger("uvicorn.access").handlers = [logging.StreamHandler(sys.stderr)]
        app = build_app(self.canary, engine, outgoing)
        config = TelemetryConfig(
            endpoint=self.sink.url,
            log_format="json",
            log_level="debug",
            prometheus=True,
            instrumentation=self.instrumentation,
        )
        telemetry = setup_telemetry(app, engine, config=config)
        try:
            shown = asyncio.run(walk_every_door(self.canary, app))
            telemetry.metrics.trigger_hit(trigger_id=f"{self.canary('trigger id')}@c.us")
            assert telemetry.force_flush(30)
            shown += repr((telemetry.health(), telemetry.config, outgoing)).encode()
        finally:
            telemetry.shutdown()
            engine.dispose()
            for name in ("uvicorn.access", "sqlalchemy.engine.Engine"):
                logging.getLogger(name).handlers = []
        console = self.capfd.readouterr()
        exported = b"".join(export.body + repr(export.headers).encode() for export in self.sink.received)
        outputs = {"OTLP": exported, "stdout": console.out.encode(), "stderr": console.err.encode(), "shown": shown}
        self.canary.tell_leaks(outputs)
        return self.canary.leaks(*outputs.values())


@pytest.fixture(params=INSTRUMENTATIONS)
def run(
    request: pytest.FixtureRequest,
    sink: Sink,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> TaintRun:
    return prepared(sink, capfd, request.param, monkeypatch)


def prepared(
    sink: Sink, capfd: pytest.CaptureFixture[str], instrumentation: str, monkeypatch: pytest.MonkeyPatch
) -> TaintRun:
    """Return a run with a canary in the resource."""
    taint = TaintRun(sink, capfd, instrumentation)
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", f"host.owner=+{taint.canary('resource')}")
    return taint


HOOKS: dict[str, tuple[Any, str, Callable[..., Any]]] = {
    "attributes of spans": (encoding, "mask_attributes", lambda attributes, _masker: dict(attributes)),
    "events": (Encoder, "_event", lambda _self, event, write=Encoder._event: write(Encoder(), event)),
    "links": (Encoder, "_link", lambda _self, link, write=Encoder._link: write(Encoder(), link)),
    "status": (Encoder, "_masked_text", lambda _self, tag, words: encoding._text(tag, words)),
    "tracestate": (propagation, "clean_tracestate", lambda context, _masker: context),
    "metrics": (MetricMasker, "mask", lambda _self, data, _losses: data),
    "attributes of metrics": (metric_masking, "mask_attributes", lambda attributes, _masker: dict(attributes or {})),
    "scopes of metrics": (metric_masking, "mask_scope", lambda scope, _masker: scope),
    "the logs api": (exporters, "mask_log", lambda record, _masker, _length: record),
    "scopes of spans": (encoding, "mask_scope", lambda scope, _masker: scope),
    "scopes of the logs api": (processors, "mask_scope", lambda scope, _masker: scope),
    "request ids": (
        RequestMiddleware,
        "_request_id",
        lambda _self, scope: dict(scope["headers"]).get(b"x-request-id", b"r1").decode(),
    ),
    "console handlers of others": (LoggingInstallation, "_handle", lambda _self, before: before),
    "exceptions of threads": (Hooks, "_thread_hook", lambda _self, _before: threading.__excepthook__),
    "values that libraries log": (handler, "content_of", lambda _logger: None),
    "resource": (resource, "mask_attributes", lambda attributes, _masker: dict(attributes)),
    "text of log records": (TelemetryHandler, "_text", lambda _self, words: words),
    "extras of log records": (
        TelemetryHandler,
        "_extra",
        lambda _self, record: {key: str(value) for key, value in vars(record).items() if key in {"phone", "deep"}},
    ),
    "propagation": (setup, "install_propagator", lambda _config, _masker, _problems: lambda: None),
    "all detectors": (Masker, "text", lambda _self, words: words),
    "all keys": (Masker, "attributes", lambda _self, attributes: dict(attributes or {})),
    "identifiers": (Masker, "identifier", lambda _self, value: value),
}
"""Every place that stops a canary, and the same place doing nothing."""


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # one door is such a thread
class TestTaint:
    def test_no_canary_comes_out(self, run: TaintRun) -> None:
        assert run.leaks() == set()

    def test_enough_came_out_to_judge_by(self, run: TaintRun) -> None:
        run.leaks()

        assert len(run.sink.spans()) >= 8
        assert len(run.sink.logs()) >= 20
        assert "shop.sizes" in run.sink.metrics()

    @pytest.mark.parametrize("instrumentation", INSTRUMENTATIONS)
    @for_each("hook", HOOKS)
    def test_without_a_hook_a_canary_comes_out(
        self, hook: str, instrumentation: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        owner, name, nothing = HOOKS[hook]
        with run_sink() as sink:
            run = prepared(sink, capfd, instrumentation, monkeypatch)
            monkeypatch.setattr(owner, name, nothing)

            assert run.leaks() != set()
