"""
The types that applications see: mypy checks each line here, and the tests run them.

A ``type: ignore`` marks what a type checker has to refuse; mypy reports one that it does not need.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping
from typing import Any, assert_type

import pytest
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import Span, Tracer

import whatsself_otel
from whatsself_otel import (
    ConfigError,
    Health,
    LimitsConfig,
    Masker,
    MaskingConfig,
    MaskRule,
    MetricsConfig,
    OtlpConfig,
    Telemetry,
    TelemetryConfig,
    WhatsApp,
    WhatsAppConfig,
    WhatsSelfMetrics,
    WhatsSelfOtelError,
    capture_context,
    current_attributes,
    message_context,
    resume_context,
    setup_telemetry,
)
from whatsself_otel.integrations import finish, run_job
from whatsself_otel.testing import RecordedTelemetry, record_telemetry
from whatsself_otel.whatsapp import Event


def test_of_every_public_name() -> None:
    assert set(whatsself_otel.__all__) - globals().keys() == set()


@pytest.fixture
def recorded() -> Iterator[RecordedTelemetry]:
    with record_telemetry() as running:
        yield running


def test_of_the_one_call(recorded: RecordedTelemetry) -> None:
    telemetry = assert_type(recorded.telemetry, Telemetry)

    assert_type(telemetry.metrics, WhatsSelfMetrics)
    assert_type(telemetry.tracer, Tracer)
    assert_type(telemetry.masker, Masker)
    assert_type(telemetry.health(), Health)
    assert_type(telemetry.force_flush(timeout_s=2), bool)
    assert_type(telemetry.shutdown(), bool)
    with pytest.raises(ConfigError):
        setup_telemetry(config="not a configuration")  # type: ignore[arg-type]


def test_as_a_context_manager() -> None:
    config = TelemetryConfig(enabled=False, log_to_stdout=False)

    with assert_type(setup_telemetry(config=config), Telemetry) as telemetry:
        assert_type(telemetry, Telemetry)


def test_of_the_configuration() -> None:
    config = TelemetryConfig(
        service_name="shop",
        traces_otlp=OtlpConfig(protocol="grpc"),
        limits=LimitsConfig(span_events=8),
        metrics=MetricsConfig(),
        masking=MaskingConfig(rules=(MaskRule(name="order", pattern=r"ORD-\d+"),)),
    )

    assert_type(config.service_name, str)
    assert_type(config.masking, MaskingConfig | None)
    assert_type(config.traces_otlp, OtlpConfig)
    assert_type(config.limits, LimitsConfig)
    with pytest.raises(ConfigError):
        TelemetryConfig(export_timeout_s="soon")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        TelemetryConfig(endpont="http://127.0.0.1:4318")  # type: ignore[call-arg]


def test_of_health(recorded: RecordedTelemetry) -> None:
    health = recorded.telemetry.health()

    assert_type(health.ok, bool)
    assert_type(health.problems, tuple[str, ...])
    assert_type(health.signals, dict[str, dict[str, Any]])


def test_of_the_metrics(recorded: RecordedTelemetry) -> None:
    metrics = recorded.telemetry.metrics

    assert_type(metrics.message_inbound(kind="text", contact_id="contact-1"), None)
    assert_type(metrics.message_sent(origin="reply", contact_id="contact-1"), None)
    metrics.message_sent(orgin="reply")  # type: ignore[call-arg]
    metrics.message_sent("reply")  # type: ignore[call-arg]


def test_of_ids() -> None:
    with message_context(contact_id=1, message_id="message-1") as bound:
        assert_type(bound, None)
    with pytest.raises(TypeError):
        message_context(contact=1)  # type: ignore[call-arg]


def test_of_decorated_functions_stay_theirs() -> None:
    @message_context(contact_id="contact-1")
    def answer(text: str, times: int = 1) -> str:
        return text * times

    @message_context(contact_id="contact-1")
    async def answer_later(text: str) -> str:
        return text

    @message_context(contact_id="contact-1")
    async def answers() -> AsyncIterator[int]:
        yield 1

    later: Coroutine[Any, Any, str] = answer_later("a")

    assert_type(answer("a", times=2), str)
    assert_type(answers(), AsyncIterator[int])
    later.close()
    with pytest.raises(TypeError):
        answer(text="a", time=2)  # type: ignore[call-arg]


def test_of_context_over_a_queue() -> None:
    carrier = assert_type(capture_context(hand_over=False), dict[str, str])

    with resume_context(carrier):
        assert_type(current_attributes(), Mapping[str, str])


def test_of_whatsapp(recorded: RecordedTelemetry) -> None:
    whatsapp = assert_type(recorded.telemetry.whatsapp, WhatsApp)

    assert_type(recorded.telemetry.config.whatsapp, WhatsAppConfig)
    assert_type(whatsapp.observe(b"{}"), list[Event])
    assert_type(whatsapp.observe_send({}, origin="reply"), Event | None)
    assert_type(whatsapp.contact_ref("5511987654321@c.us"), str)
    with pytest.raises(TypeError):
        whatsapp.observe({}, orgin="reply")  # type: ignore[call-arg]


def test_of_masking() -> None:
    masker = Masker(MaskingConfig())

    assert_type(masker.text("+5511987654321"), str)
    assert_type(masker.identifier("contact-1"), str)


@pytest.mark.usefixtures("recorded")
def test_of_jobs() -> None:
    with run_job("answer", capture_context(), queue="replies") as span:
        assert_type(span, Span)
    assert_type(finish(timeout_s=1), None)


def test_of_the_test_doubles(recorded: RecordedTelemetry) -> None:
    assert_type(recorded.spans, list[ReadableSpan])
    assert_type(recorded.logs, list[ReadableLogRecord])
    assert_type(recorded.counter("messages.outbound", origin="reply"), float)
    assert_type(recorded.count("first_response.latency"), int)


def test_of_errors() -> None:
    with pytest.raises(WhatsSelfOtelError) as raised:
        TelemetryConfig(export_timeout_s=-1)

    assert isinstance(raised.value, ConfigError)
