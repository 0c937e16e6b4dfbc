"""Tests of the recorded sums: each holds the events of five minutes of all workers, and the hour's twelve of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from whatsself_otel.operations import base
from whatsself_otel.operations.cases import VALUE, Case, flat, named, ramp

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAIN: Final = 'session="main"'
_COUNTERS: Final = {
    base.OUTBOUND: f'messages_outbound_total{{origin="reply",{_MAIN}}}',
    base.FAILED: f'messages_outbound_failed_total{{fault="ours",{_MAIN}}}',
    base.INBOUND: f'messages_inbound_total{{kind="text",{_MAIN}}}',
    base.DELIVERED: f'messages_delivered_total{{status="read",{_MAIN}}}',
    base.OPT_OUTS: 'contact_consent_total{action="opt_out"}',
    base.LOSSES: f'whatsapp_session_disconnects_total{{reason="transient",{_MAIN}}}',
    base.REQUESTS: 'http_server_request_duration_seconds_count{http_response_status_code="500"}',
    base.REQUESTS_FAILED: 'http_server_request_duration_seconds_count{http_response_status_code="500"}',
    base.ANSWERED_IN_TIME: 'first_response_latency_seconds_bucket{le="120"}',
    base.UNANSWERED: "first_response_unanswered_total",
    base.TAKEN_BACK: "first_response_failed_total",
    base.RECOVERIES: f"whatsapp_session_recovery_seconds_count{{{_MAIN}}}",
    base.RECOVERED_IN_TIME: f'whatsapp_session_recovery_seconds_bucket{{le="300",{_MAIN}}}',
}
"""A counter that each sum is of."""
_HOURLY: Final = (
    base.REQUESTS,
    base.REQUESTS_FAILED,
    base.ANSWERED_IN_TIME,
    base.UNANSWERED,
    base.TAKEN_BACK,
    base.RECOVERIES,
    base.RECOVERED_IN_TIME,
    base.DOWN_SHARE,
)
"""Sums that are also recorded by the hour."""


def cases() -> Iterator[Case]:
    """Return every test of these rules."""
    for name, counter in _COUNTERS.items():
        metric, _, labels = counter.rstrip("}").partition("{")
        yield Case(
            rule=name,
            kind=VALUE,
            title="six a minute at each of two workers",
            series={named(metric, labels, instance=worker): ramp((10, 6)) for worker in ("a", "b")},
            values={(name, 8): 60},
        )
    for name in _HOURLY:
        hour = base.stepped(name, "30d")[0]
        # Of the hour six were of 3 and six of 9.
        value = 6 if name == base.DOWN_SHARE else 72
        steps = {f'{name}{{job="whatsself"}}': flat((60, 3), (60, 9), step_s=300)}
        title = "twelve of five minutes"
        yield Case(rule=hour, kind=VALUE, title=title, series=steps, values={(hour, 85): value}, step_s=300)
    down = {'whatsself:down{job="whatsself"}': flat((10, 0), (2.5, 1), (20, 0))}
    yield Case(rule=base.DOWN_SHARE, kind=VALUE, title="half of them", series=down, values={(base.DOWN_SHARE, 14): 0.5})
