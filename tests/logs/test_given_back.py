"""After shutdown() everything is as it was found: hooks, logging, and OpenTelemetry's global providers."""

from __future__ import annotations

import logging
import logging.config
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from log_programs import PHONE
from opentelemetry import metrics, trace
from opentelemetry._logs import NoOpLoggerProvider, get_logger_provider
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import NoOpTracerProvider
from otlp_sink import Sink

from whatsself_otel import Telemetry
from whatsself_otel._sdk import Globals

Start = Callable[..., Telemetry]


def state() -> dict[str, Any]:
    """Everything of the process that a set-up might touch."""
    loggers = [logging.getLogger(), *map(logging.getLogger, ("shop", "uvicorn.access", "sqlalchemy.engine.Engine"))]
    return {
        "hooks": (sys.excepthook, threading.excepthook, sys.unraisablehook, warnings.showwarning),
        "logging": (logging.Logger.callHandlers, logging.Handler.handle, logging.Handler.handleError),
        "configuration": (logging.config.DictConfigurator.configure, logging.config._install_loggers),  # type: ignore[attr-defined]
        "loggers": [(each.level, each.propagate, each.disabled, list(each.handlers)) for each in loggers],
        "globals": tuple(map(id, Globals.read())),
    }


@pytest.fixture(autouse=True)
def clean_loggers() -> Iterator[None]:
    root = logging.getLogger()
    before = (root.level, list(root.handlers), Globals.read())
    yield
    root.setLevel(before[0])
    root.handlers = before[1]
    before[2].write()
    for name in ("shop", "uvicorn.access", "sqlalchemy.engine.Engine"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate, logger.disabled = [], True, False
        logger.setLevel(logging.NOTSET)


def keep_from_the_root() -> None:
    access = logging.getLogger("uvicorn.access")
    access.handlers, access.propagate = [logging.StreamHandler(sys.stderr)], False
    access.setLevel(logging.DEBUG)


STATES: dict[str, Callable[[], object]] = {
    "nothing": lambda: None,
    "a level": lambda: logging.getLogger().setLevel(logging.ERROR),
    "a console handler": lambda: logging.getLogger().addHandler(logging.StreamHandler()),
    "a server's logger": keep_from_the_root,
    "a disabled logger": lambda: setattr(logging.getLogger("shop"), "disabled", True),
    "a disabled logger of a server": lambda: setattr(logging.getLogger("uvicorn.access"), "disabled", True),
}


@pytest.mark.parametrize("name", STATES)
def test_logging_and_hooks_are_as_they_were(start: Start, name: str) -> None:
    STATES[name]()
    before = state()
    telemetry = start()
    assert state() != before
    logging.getLogger("shop").warning("said")
    telemetry.shutdown()

    assert state() == before


def test_shutdown_gives_back_too_when_the_end_of_the_process_came_first(start: Start) -> None:
    before = state()
    telemetry = start()
    telemetry._end_process()

    telemetry.shutdown()

    assert state() == before


def test_warnings_that_were_captured_before_stay_captured(start: Start) -> None:
    with warnings.catch_warnings():
        logging.captureWarnings(capture=True)
        before = warnings.showwarning
        try:
            start().shutdown()
            assert warnings.showwarning is before
        finally:
            logging.captureWarnings(capture=False)


def test_what_was_configured_since_stays(start: Start) -> None:
    telemetry = start()
    theirs = logging.StreamHandler()
    logging.getLogger().addHandler(theirs)
    logging.getLogger("shop").propagate = False
    logging.getLogger().setLevel(logging.CRITICAL)
    telemetry.shutdown()

    assert theirs in logging.getLogger().handlers
    assert (logging.getLogger("shop").propagate, logging.getLogger().level) == (False, logging.CRITICAL)


def test_who_came_over_ours_finds_what_was_below(
    start: Start, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sentry, for example, keeps the previous hook and calls it always."""
    before = logging.Logger.callHandlers
    monkeypatch.setattr(logging.Logger, "callHandlers", before)  # what is there after the test
    telemetry = start()
    ours = logging.Logger.callHandlers
    theirs: list[str] = []

    def call_handlers(logger: logging.Logger, record: logging.LogRecord) -> None:
        theirs.append(record.getMessage())
        ours(logger, record)

    monkeypatch.setattr(logging.Logger, "callHandlers", call_handlers)
    telemetry.shutdown()
    keep_from_the_root()
    logging.getLogger("uvicorn.access").warning("once")

    assert theirs == ["once"]
    assert capfd.readouterr().err.count("once\n") == 1


class OwnTracerProvider(trace.TracerProvider):
    """Somebody's own, of the API's class."""

    def get_tracer(self, *arguments: Any, **named: Any) -> trace.Tracer:
        return NoOpTracerProvider().get_tracer(*arguments, **named)


OTHERS: dict[str, tuple[Globals, str]] = {
    "the SDK's tracer provider": (Globals(tracer_provider=TracerProvider()), "tracer"),
    "a tracer provider of the API's class": (Globals(tracer_provider=OwnTracerProvider()), "tracer"),
    "the SDK's meter provider": (Globals(meter_provider=MeterProvider(shutdown_on_exit=False)), "meter"),
    "a meter provider of the API's class": (Globals(meter_provider=NoOpMeterProvider()), "meter"),
    "the SDK's logger provider": (Globals(logger_provider=LoggerProvider(shutdown_on_exit=False)), "logger"),
    "a logger provider of the API's class": (Globals(logger_provider=NoOpLoggerProvider()), "logger"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_global_provider_of_another_is_named_and_given_back(
    start: Start, sink: Sink, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """One of the SDK's stays, and health says so; another, as Logfire's, is ours until shutdown()."""
    others, kind = OTHERS[name]
    assert others.write()
    telemetry = start()
    now = Globals.read()
    problems = telemetry.health().problems
    with telemetry.tracer.start_as_current_span("work"):
        logging.getLogger("shop").warning("to +%s", PHONE)
    assert telemetry.force_flush(30)
    telemetry.shutdown()

    is_sdk = name.startswith("the SDK's")
    assert [is_sdk and theirs is not None for theirs in others] == [
        each is theirs for each, theirs in zip(now, others, strict=True)
    ]
    named = [problem for problem in problems if f"Another OpenTelemetry {kind} provider" in problem]
    said = [record.getMessage() for record in caplog.records if "in place of" in record.getMessage()]
    assert (len(named), len(said)) == ((1, 0) if is_sdk else (0, 1))
    assert Globals.read() == others
    assert [span.name for span in sink.spans()] == ["work"]
    assert [record.body for record in sink.logs() if record.scope == "shop"] == ["to +55********4321"]


def test_without_others_the_globals_are_ours_and_then_nobodys(start: Start) -> None:
    Globals().write()
    telemetry = start()
    found = (trace.get_tracer_provider(), metrics.get_meter_provider(), get_logger_provider())
    telemetry.shutdown()

    assert found[:2] == (telemetry.tracer_provider, telemetry.meter_provider)
    assert Globals.read() == Globals()


def test_a_provider_that_was_set_since_stays(start: Start) -> None:
    Globals().write()
    telemetry = start()
    theirs = Globals.read()._replace(tracer_provider=TracerProvider(shutdown_on_exit=False))
    theirs.write()
    telemetry.shutdown()

    assert Globals.read() == Globals(tracer_provider=theirs.tracer_provider)
