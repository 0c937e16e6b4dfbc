"""
Sums of five minutes, recorded once: what looks back over hours or days reads these instead of every raw series.

A range of five minutes and one export holds each step of a counter exactly once, so that sums every five minutes are
neither counted twice nor lost (an increase alone would miss the step between the last sample of one and the first of
the next). The factor takes back what ``increase`` adds for the longer range.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from whatsself_otel.catalogue import (
    CONTACT_CONSENT,
    FIRST_RESPONSE_FAILED,
    FIRST_RESPONSE_LATENCY,
    FIRST_RESPONSE_UNANSWERED,
    HTTP_SERVER_REQUEST_DURATION,
    MESSAGES_DELIVERED,
    MESSAGES_INBOUND,
    MESSAGES_OUTBOUND,
    MESSAGES_OUTBOUND_FAILED,
    WHATSAPP_SESSION_DISCONNECTS,
    WHATSAPP_SESSION_RECOVERY,
)
from whatsself_otel.operations.model import Group, Record
from whatsself_otel.operations.promql import ANSWERED, DOWN, SERVICE, SESSION, bound, increase, minutes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from whatsself_otel.operations.model import Source

STEP: Final = "5m"
_LONG_STEP: Final = "1h"
_WEEK_MINUTES: Final = 7 * 24 * 60
_RANGE: Final = "315s"

OUTBOUND: Final = "whatsself:outbound:increase5m"
FAILED: Final = "whatsself:failed:increase5m"
INBOUND: Final = "whatsself:inbound:increase5m"
DELIVERED: Final = "whatsself:delivered:increase5m"
OPT_OUTS: Final = "whatsself:opt_outs:increase5m"
LOSSES: Final = "whatsself:session_losses:increase5m"
REQUESTS: Final = "whatsself:requests:increase5m"
REQUESTS_FAILED: Final = "whatsself:requests_failed:increase5m"
ANSWERED_IN_TIME: Final = "whatsself:first_response_in_time:increase5m"
UNANSWERED: Final = "whatsself:first_response_unanswered:increase5m"
TAKEN_BACK: Final = "whatsself:first_response_failed:increase5m"
RECOVERIES: Final = "whatsself:recoveries:increase5m"
RECOVERED_IN_TIME: Final = "whatsself:recoveries_in_time:increase5m"
DOWN_SHARE: Final = "whatsself:down:avg5m"


def rules(source: Source) -> Group:
    """Return the rules that record them."""
    return Group(name="whatsself-base", interval="1m", rules=tuple(_records(source)))


def _records(source: Source) -> Iterator[Record]:
    def record(name: str, spec: Any, more: str = "", *, suffix: str = "", by: str = SERVICE) -> Record:
        summed = increase(source, spec, _RANGE, more, suffix=suffix, by=by)
        return Record(name=name, expr=f"{summed} * ({STEP} / {_RANGE})")

    server, latency, recovery = HTTP_SERVER_REQUEST_DURATION, FIRST_RESPONSE_LATENCY, WHATSAPP_SESSION_RECOVERY
    replied, recovered = (bound(source[f"slos.{slo}.seconds"]) for slo in ("first-response", "session-recovery"))
    yield record(OUTBOUND, MESSAGES_OUTBOUND, by=SESSION)
    yield record(FAILED, MESSAGES_OUTBOUND_FAILED, by=f"{SESSION}, fault")
    yield record(INBOUND, MESSAGES_INBOUND, by=SESSION)
    yield record(DELIVERED, MESSAGES_DELIVERED, by=SESSION)
    yield record(OPT_OUTS, CONTACT_CONSENT, 'action="opt_out"')
    yield record(LOSSES, WHATSAPP_SESSION_DISCONNECTS, by=f"{SESSION}, reason")
    yield record(REQUESTS, server, ANSWERED, suffix="_count")
    yield record(REQUESTS_FAILED, server, 'http_response_status_code=~"5.."', suffix="_count")
    yield record(ANSWERED_IN_TIME, latency, replied, suffix="_bucket")
    yield record(UNANSWERED, FIRST_RESPONSE_UNANSWERED)
    yield record(TAKEN_BACK, FIRST_RESPONSE_FAILED)
    yield record(RECOVERIES, recovery, suffix="_count", by=SESSION)
    yield record(RECOVERED_IN_TIME, recovery, recovered, suffix="_bucket", by=SESSION)
    yield Record(name=DOWN_SHARE, expr=f"avg_over_time({DOWN}[{STEP}])")
    # A month of sums of five minutes is 8640 samples a series; of sums of an hour it is 720.
    for name in (REQUESTS, REQUESTS_FAILED, ANSWERED_IN_TIME, UNANSWERED, TAKEN_BACK, RECOVERIES, RECOVERED_IN_TIME):
        yield Record(name=_hourly(name), expr=f"sum_over_time({name}[{_LONG_STEP}:{STEP}])")
    yield Record(name=_hourly(DOWN_SHARE), expr=f"avg_over_time({DOWN_SHARE}[{_LONG_STEP}:{STEP}])")


def stepped(name: str, window: str) -> tuple[str, str]:
    """Return the recorded sum that a look over *window* reads, and how far apart: of over a week the hour's."""
    is_long = minutes(window) > _WEEK_MINUTES
    return (_hourly(name), _LONG_STEP) if is_long else (name, STEP)


def _hourly(name: str) -> str:
    return name.removesuffix(STEP) + _LONG_STEP


def over(name: str, window: str, more: str = "", *, by: str = "", offset: str = "") -> str:
    """Return the sum of a recorded sum over *window*, brought together by *by*."""
    read, step = stepped(name, window)
    found = f"sum_over_time({read}{more and '{' + more + '}'}[{window}:{step}]{offset and ' offset ' + offset})"
    return f"sum by ({by}) ({found})" if by else found
