"""Other people's incidents with sessions and messages, written down after the rules: nothing fires but what should."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from situations import (
    CAME,
    CONNECTED,
    DELIVERED,
    FAILED,
    HOUR,
    LOSSES,
    SENT,
    STATE,
    STEP_S,
    Situation,
    business,
    gauge,
    machinery,
    of,
    on,
    play,
    steady,
)

if TYPE_CHECKING:
    from pathlib import Path


def flapping(*sessions: str, minutes: float = 120) -> dict[str, str]:
    ups = gauge((20, 1), *[(2, 0), (3, 1)] * round((minutes - 20) / 5))
    losses = gauge((20, 0), *((5, count) for count in range(1, round((minutes - 20) / 5) + 1)))
    found = {}
    for name in sessions:
        found[of(CONNECTED, on(name))] = ups
        found[of(LOSSES, on(name, 'reason="transient"'))] = losses
    return found


def late_webhooks(*, fast: float) -> dict[str, str]:
    """Return webhooks, one a minute, of which that share was not late; all came at once in the first hour."""
    name, provider = "webhook_lag_seconds", 'provider="cloud"'
    return {
        of(f"{name}_count", provider): steady(2 * HOUR, (2 * HOUR, 1)),
        of(f"{name}_bucket", f'{provider},le="300"'): steady(0, (HOUR, 1), (HOUR, fast)),
    }


SITUATIONS = (
    Situation(
        source="https://github.com/WhiskeySockets/Baileys/issues/2491",
        what="connected for hours, and no message comes in any more",
        minutes=32 * HOUR,
        changes={of(CAME, on("main", 'kind="text"')): steady(0, (28 * HOUR, 0.2), (4 * HOUR, 0))},
        fires={"WhatsSelfInboundSilent": 1},
    ),
    Situation(
        source="https://github.com/evolution-foundation/evolution-api/issues/765",
        what="connecting, connected, disconnected, without end",
        minutes=2 * HOUR,
        changes=flapping("main"),
        fires={"WhatsSelfSessionFlapping": 1},
    ),
    Situation(
        source="https://github.com/devlikeapro/waha/issues/1590",
        what="three instances lose their connection again and again",
        minutes=2 * HOUR,
        changes=flapping("main", "second", "third"),
        fires={"WhatsSelfSessionFlapping": 3},
    ),
    Situation(
        source="https://github.com/devlikeapro/waha/issues/1721",
        what="the session works, sends are accepted, and acknowledgements never come",
        minutes=10 * HOUR,
        changes={of(DELIVERED, on("main", 'status="delivered"')): steady(0, (6 * HOUR, 0.2), (4 * HOUR, 0))},
        fires={"WhatsSelfNotAcknowledged": 1},
    ),
    Situation(
        source="https://github.com/devlikeapro/waha/issues/789",
        what="now and then one message is not delivered",
        minutes=10 * HOUR,
        changes={of(DELIVERED, on("main", 'status="delivered"')): steady(0, (10 * HOUR, 0.19))},
    ),
    Situation(
        source="https://github.com/evolution-foundation/evolution-api/issues/2318",
        what="restarted, and it wants a new QR code",
        minutes=2 * HOUR,
        changes={
            of(CONNECTED, on("main")): gauge((HOUR, 1), (HOUR, 0)),
            of(STATE, on("main", 'state="qr_pending"')): gauge((HOUR, 0), (HOUR, 1)),
        },
        fires={"WhatsSelfSessionLoggedOut": 1, "WhatsSelfSessionDown": 1},
    ),
    Situation(
        source="https://github.com/rmyndharis/OpenWA/pull/1548",
        what="it stays at starting for ever",
        minutes=2 * HOUR,
        changes={of(CONNECTED, on("main")): gauge((HOUR, 1), (HOUR, 0))},
        fires={"WhatsSelfSessionDown": 1},
    ),
    Situation(
        source="https://github.com/rmyndharis/OpenWA/pull/1548",
        what="the node that held the session never came back, another one lives",
        minutes=2 * HOUR,
        changes={
            of("process_uptime_seconds"): f"0+{STEP_S}x{HOUR}",
            of("process_uptime_seconds", instance="b"): f"0+{STEP_S}x{2 * HOUR}",
            of(CONNECTED, on("main")): gauge((HOUR, 1)),
        },
        # The page; that a worker is gone stays a warning until it is back, or for a day.
        fires={"WhatsSelfSessionMissing": 1, "WhatsSelfWorkerVanished": 1},
    ),
    Situation(
        source="https://github.com/WhiskeySockets/Baileys/issues/644",
        what="the session is lost in the middle of a scheduled sending",
        minutes=2 * HOUR,
        changes={
            of(CONNECTED, on("main")): gauge((HOUR, 1), (HOUR, 0)),
            of("queue_depth"): gauge((HOUR - 5, 0), (HOUR + 5, 80)),
            of(SENT, on("main", 'origin="reply"')): steady(0, (HOUR, 0.2), (HOUR, 0)),
            of(CAME, on("main", 'kind="text"')): steady(0, (HOUR, 0.2), (HOUR, 0)),
        },
        # The queue's page is kept silent by the session's; its warning waits for the session, too.
        fires={"WhatsSelfSessionDown": 1, "WhatsSelfQueueStuck": 1, "WhatsSelfQueueBacklog": 1},
    ),
    Situation(
        source="https://github.com/evolution-foundation/evolution-api/issues/1469",
        what="disconnected once after a send, and back within a minute",
        minutes=2 * HOUR,
        changes={
            of(CONNECTED, on("main")): gauge((HOUR, 1), (1, 0), (HOUR - 1, 1)),
            of(LOSSES, on("main", 'reason="transient"')): gauge((HOUR, 0), (HOUR, 1)),
        },
    ),
    Situation(
        source="https://github.com/wwebjs/whatsapp-web.js/issues/201849",
        what="no acknowledgement for hours, and then it is logged out",
        minutes=12 * HOUR,
        changes={
            of(DELIVERED, on("main", 'status="delivered"')): steady(0, (6 * HOUR, 0.2), (6 * HOUR, 0)),
            of(CONNECTED, on("main")): gauge((11 * HOUR, 1), (HOUR, 0)),
            of(STATE, on("main", 'state="logged_out"')): gauge((11 * HOUR, 0), (HOUR, 1)),
        },
        fires={"WhatsSelfNotAcknowledged": 1, "WhatsSelfSessionLoggedOut": 1, "WhatsSelfSessionDown": 1},
    ),
    Situation(
        source="https://github.com/adiwajshing/Baileys/issues/2503",
        what="reconnected, and for half an hour nothing comes in, as may be in a small shop",
        minutes=2 * HOUR,
        changes={of(CAME, on("main", 'kind="text"')): steady(0, (90, 0.2), (30, 0))},
    ),
    Situation(
        source="https://github.com/evolution-foundation/evolution-api/issues/2597",
        what="connected, accepted with 200, and of all messages since yesterday one was acknowledged",
        minutes=30 * HOUR,
        changes={of(DELIVERED, on("main", 'status="delivered"')): gauge((HOUR, 0), (29 * HOUR, 1))},
        fires={"WhatsSelfNotAcknowledged": 1},
    ),
    Situation(
        source="https://github.com/wppconnect-team/wppconnect-server/issues/2308",
        what="of many sessions one sends nothing that arrives, though it says OK",
        minutes=10 * HOUR,
        changes={
            of(CONNECTED, on("other")): gauge((10 * HOUR, 1)),
            of(SENT, on("other", 'origin="reply"')): steady(10 * HOUR),
            of(DELIVERED, on("other", 'status="delivered"')): steady(0, (6 * HOUR, 0.2), (4 * HOUR, 0)),
        },
        fires={"WhatsSelfNotAcknowledged": 1},
    ),
    Situation(
        source="https://github.com/chatwoot/chatwoot/issues/13556",
        what="a firewall refuses webhooks, which come by the provider's repeats hours later",
        minutes=2 * HOUR,
        changes=late_webhooks(fast=0),
        fires={"WhatsSelfWebhooksLate": 1},
    ),
    Situation(
        source="https://github.com/green-api/issues/issues/380",
        what="some messages come ten minutes late, most at once",
        minutes=2 * HOUR,
        changes=late_webhooks(fast=0.8),
    ),
    Situation(
        source="https://github.com/green-api/issues/issues/289",
        what="on one of two instances no message comes in, and the phone shows them",
        minutes=32 * HOUR,
        changes={
            of(CONNECTED, on("other")): gauge((32 * HOUR, 1)),
            of(CAME, on("other", 'kind="text"')): steady(0, (28 * HOUR, 0.2), (4 * HOUR, 0)),
        },
        fires={"WhatsSelfInboundSilent": 1},
    ),
    Situation(
        source="https://github.com/WhiskeySockets/Baileys/issues/2800",
        what="restricted for 24 hours after messages to people who never wrote",
        minutes=3 * HOUR,
        changes={
            of(CONNECTED, on("main")): gauge((HOUR, 1), (2 * HOUR, 0)),
            of(STATE, on("main", 'state="restricted"')): gauge((HOUR, 0), (2 * HOUR, 1)),
        },
        # Down is kept silent by the stronger word; the risk is a warning.
        fires={"WhatsSelfSessionBanned": 1, "WhatsSelfSessionDown": 1, "WhatsSelfBanRiskHigh": 1},
    ),
    Situation(
        source="https://github.com/devlikeapro/waha/issues/2129",
        what="restricted for the API alone: connected, and three of five sends are refused",
        minutes=2 * HOUR,
        changes={
            of(SENT, on("main", 'origin="reply"')): steady(2 * HOUR, (2 * HOUR, 2)),
            of(FAILED, on("main", 'fault="ours",reason="restricted"')): steady(0, (HOUR, 0), (HOUR, 1.2)),
        },
        # The objective that the failures cost is kept silent by them.
        fires={
            "WhatsSelfSendFailureHigh": 1,
            "WhatsSelfSloBurn": 1,
            "WhatsSelfSloBudgetExhausted": 1,
            "WhatsSelfBanRiskHigh": 1,
        },
    ),
    Situation(
        source="https://github.com/WhiskeySockets/Baileys/issues/2041",
        what="out of memory after some hours, and started again within a minute",
        minutes=6 * HOUR,
        changes={
            of("process_uptime_seconds"): f"0+{STEP_S}x{3 * HOUR - 1} _x1 0+{STEP_S}x{3 * HOUR}",
            of(CONNECTED, on("main")): gauge((3 * HOUR, 1), (1, None), (1, 0), (3 * HOUR - 2, 1)),
        },
    ),
    Situation(
        source="https://github.com/billbarsch/myzap/issues/96",
        what="a code that nobody scans closes every session, and the server ends",
        minutes=2 * HOUR,
        changes=business(HOUR) | machinery(2 * HOUR),
        # The objective that the silence costs is kept silent by it.
        fires={"WhatsSelfTelemetryAbsent": 1, "WhatsSelfSloBurn": 2},
    ),
    Situation(
        source="https://github.com/wppconnect-team/wppconnect/issues/2804",
        what="unlinked on the phone after days, and it waits for a code",
        minutes=2 * HOUR,
        changes={
            of(CONNECTED, on("main")): gauge((HOUR, 1), (HOUR, 0)),
            of(STATE, on("main", 'state="logged_out"')): gauge((HOUR, 0), (5, 1), (HOUR - 5, 0)),
            of(STATE, on("main", 'state="qr_pending"')): gauge((HOUR + 5, 0), (HOUR - 5, 1)),
        },
        fires={"WhatsSelfSessionLoggedOut": 1, "WhatsSelfSessionDown": 1},
    ),
    Situation(
        source="https://github.com/devlikeapro/waha/issues/1389",
        what="answers take longer from hour to hour, until most of them are over five seconds",
        minutes=2 * HOUR,
        changes={
            of("http_server_request_duration_seconds_bucket", 'http_response_status_code="200",le="5"'): steady(
                0, (HOUR, 5), (HOUR, 1)
            )
        },
        fires={"WhatsSelfHttpSlow": 1},
    ),
    Situation(
        source="https://github.com/chrishubert/whatsapp-api/issues/278",
        what="messages leave hours late: 80 wait, and one leaves every five minutes",
        minutes=3 * HOUR,
        changes={of("queue_depth"): gauge((HOUR, 0), (2 * HOUR, 80))},
        fires={"WhatsSelfQueueBacklog": 1},
    ),
    Situation(
        source="https://github.com/devlikeapro/waha/issues/2148",
        what="of thousands of messages one does not come in",
        minutes=6 * HOUR,
        changes={of(CAME, on("main", 'kind="text"')): steady(0, (3 * HOUR, 10), (1, 9), (3 * HOUR - 1, 10))}
        | {of(SENT, on("main", 'origin="reply"')): steady(6 * HOUR, (6 * HOUR, 8))}
        | {of(DELIVERED, on("main", 'status="delivered"')): steady(6 * HOUR, (6 * HOUR, 8))},
    ),
)


@pytest.mark.backend
@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.what)
def test_fires_what_it_should_and_nothing_else(situation: Situation, tmp_path: Path) -> None:
    done = play(situation, tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr
