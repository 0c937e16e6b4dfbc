"""One marked trace, log and metric, sent the way an application sends, and looked for where they should arrive."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import urllib3

from whatsself_otel.cli.doctor.findings import SIGNALS, Finding, fault, ok, skipped
from whatsself_otel.cli.doctor.receiver import request
from whatsself_otel.context import message_context
from whatsself_otel.setup import setup_telemetry
from whatsself_otel.viewer.fields import DOCTOR

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from whatsself_otel.cli.doctor.places import Place
    from whatsself_otel.config import TelemetryConfig

SERVICE_NAME: Final = DOCTOR
"""Not the application's: the probe moves none of its metrics and fires none of its alerts."""
_NAME: Final = "whatsself-otel doctor probe"
_TEXT: Final = "doctor was here"
_CANARY: Final = "5511987654321"
_PAUSE_S: Final = 0.5
_STORES: Final = {
    "otlp_grpc/tempo",
    "otlp_grpc/jaeger",
    "otlp_http/loki",
    "otlp_http/victorialogs",
    "otlp_http/prometheus",
}
"""Exporters of the stores that are asked where they run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """The probe that was sent, and its marks."""

    trace_id: str
    instance_id: str
    start_ns: int
    delivered: bool
    problems: tuple[str, ...]
    service_name: str = SERVICE_NAME
    name: str = _NAME
    text: str = _TEXT


def send_probe(config: TelemetryConfig) -> Probe:
    """Send one trace, log and metric as *config* says; `TelemetryConfig.service_name` should be ``SERVICE_NAME``."""
    start_ns = time.time_ns()
    with setup_telemetry(config=config) as telemetry:
        with (
            message_context(contact_id="doctor", message_id=f"doctor-{start_ns}"),
            telemetry.tracer.start_as_current_span(_NAME, attributes={"probe": _CANARY}) as span,
        ):
            logging.getLogger("doctor").warning("%s: %s (%s)", _NAME, _TEXT, _CANARY)
            trace_id = f"{span.get_span_context().trace_id:032x}"
        delivered = telemetry.force_flush(timeout_s=config.export_timeout_s)
        resource = getattr(telemetry.tracer_provider, "resource", None)
        return Probe(
            trace_id=trace_id,
            instance_id=str(resource.attributes.get("service.instance.id")) if resource else "",
            start_ns=start_ns,
            delivered=delivered,
            problems=tuple(set(telemetry.health().problems) - set(config.problems)),
        )


def check_probe(probe: Probe, asked: Sequence[Place], config: TelemetryConfig, patience_s: float) -> Iterator[Finding]:
    """Say of each signal whether the probe left, and whether each of *asked* has it; and that it came masked."""
    if not probe.delivered or probe.problems:
        cause = "; ".join(probe.problems) or "The probe did not leave in time."
        yield fault("delivery", cause, "See the findings about endpoint and receiver.")
        return
    yield ok("delivery", "Trace, log and metric were taken by the receiver.")
    deadline_s = time.monotonic() + patience_s
    answers = []
    for place in asked:
        finding, answer = _look(place, config, deadline_s)
        answers.append(answer)
        yield finding
    yield from _unasked(asked)
    if any(answers):
        yield _check_masking("".join(answers))


def _look(place: Place, config: TelemetryConfig, deadline_s: float) -> tuple[Finding, str]:
    check = f"round trip: {place.signal}"
    said = "has not answered"
    while True:
        try:
            answer = request("GET", place.url, config, headers=place.headers)
            text = answer.data.decode("utf-8", "replace")
            if answer.status < 300 and place.wanted in text:
                return ok(check, f"{place.backend} has it."), text
            said = "does not have it" if answer.status in {200, 404} else f"answers {answer.status}"
            if answer.status in {401, 403}:
                fix = "Give the credential with --query-header NAME=FILE."
                return fault(check, f"{place.backend} {said}.", fix), ""
        except urllib3.exceptions.HTTPError as error:
            said = f"does not answer ({type(error).__name__})"
        if time.monotonic() > deadline_s:
            fix = "See whether it runs (whatsself-otel stack status), and the findings about the collector's queue."
            return fault(check, f"The receiver took it, but {place.backend} {said}.", fix), ""
        time.sleep(_PAUSE_S)


def _unasked(asked: Sequence[Place]) -> Iterator[Finding]:
    for signal in SIGNALS:
        if signal not in {place.signal for place in asked}:
            yield skipped(
                f"round trip: {signal}",
                "Nowhere to read it back: no stack runs here.",
                f"Give the backend's address with --{signal}-url.",
            )


def name_unread(probe: Probe, asked: Sequence[Place], queues: Sequence[tuple[str, str]]) -> Iterator[Finding]:
    """Name each exporter and signal whose backend was not asked for the probe: it may have it, or not."""
    for signal in SIGNALS:
        exporters = [exporter for exporter, theirs in queues if theirs == signal]
        if len(exporters) <= sum(place.signal == signal for place in asked):
            continue
        for exporter in [each for each in exporters if each not in _STORES] or exporters:
            cause = f"Nobody here can ask the backend of {exporter} ({signal}) for the probe."
            yield skipped(f"round trip: {signal}", cause, f"Look there for the trace {probe.trace_id}.")


def _check_masking(text: str) -> Finding:
    if _CANARY in text:
        return fault("masking", "The probe's phone number was stored unmasked.", "Stop sending, and see SECURITY.md.")
    return ok("masking", "The probe's phone number arrived masked.")
