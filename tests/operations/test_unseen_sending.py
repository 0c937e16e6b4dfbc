"""Other people's incidents with sending, queues and webhooks: nothing fires but what should."""

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
    gauge,
    of,
    on,
    play,
    steady,
)

if TYPE_CHECKING:
    from pathlib import Path

REPLIES = of(SENT, on("main", 'origin="reply"'))
MASS = of(SENT, on("main", 'origin="broadcast"'))
TEXTS = of(CAME, on("main", 'kind="text"'))
ARRIVED = of(DELIVERED, on("main", 'status="delivered"'))


def failing(reason: str, fault: str, *segments: tuple[float, float]) -> dict[str, str]:
    """Return failures a minute for a reason."""
    return {of(FAILED, on("main", f'fault="{fault}",reason="{reason}"')): steady(0, *segments)}


SITUATIONS = (
    Situation(
        source="https://github.com/evolution-foundation/evolution-api/issues/1938",
        what="a new number's messages stay pending since its first hour; those of another number arrive",
        minutes=10 * HOUR,
        changes={
            of(CONNECTED, on("new")): gauge((10 * HOUR, 1)),
            of(SENT, on("new", 'origin="reply"')): steady(10 * HOUR),
        },
        fires={"WhatsSelfNotAcknowledged": 1},
    ),
    Situation(
        source="https://github.com/openclaw/openclaw/issues/102076",
        what="four messages come at once, and nothing leaves the queue any more",
        minutes=2 * HOUR,
        changes={
            of("queue_depth"): gauge((HOUR, 0), (HOUR, 4)),
            REPLIES: steady(0, (HOUR, 0.2), (HOUR, 0)),
            ARRIVED: steady(0, (HOUR, 0.2), (HOUR, 0)),
        },
        fires={"WhatsSelfQueueStuck": 1, "WhatsSelfQueueBacklog": 1},
    ),
    Situation(
        source="https://github.com/chatwoot/chatwoot/issues/9246",
        what="background workers stand still for two hours: nothing is answered, the webhooks are taken",
        minutes=4 * HOUR,
        changes={
            of("queue_depth"): gauge((2 * HOUR, 0), (2 * HOUR, 60)),
            TEXTS: steady(0, (4 * HOUR, 2)),
            REPLIES: steady(0, (2 * HOUR, 2), (2 * HOUR, 0)),
            ARRIVED: steady(0, (2 * HOUR, 2), (2 * HOUR, 0)),
            of("first_response_latency_seconds_bucket", 'le="120"'): steady(0, (2 * HOUR, 2), (2 * HOUR, 0)),
            of("first_response_unanswered_total"): steady(0, (2 * HOUR, 0), (2 * HOUR, 2)),
        },
        fires={
            "WhatsSelfQueueStuck": 1,
            "WhatsSelfQueueBacklog": 1,
            "WhatsSelfOutboundLagsInbound": 1,
            "WhatsSelfSloBurn": 2,
            "WhatsSelfSloBudgetExhausted": 1,
        },
    ),
    Situation(
        source="https://github.com/chatwoot/chatwoot/issues/12179",
        what="now and then a send is answered by 131000, and the next one goes through",
        minutes=3 * HOUR,
        changes={REPLIES: steady(0, (3 * HOUR, 2)), **failing("provider_error", "provider", (3 * HOUR, 0.2))},
    ),
    Situation(
        source="https://github.com/shridarpatil/frappe_whatsapp/issues/148",
        what="a small business' access token is over after a day: two sends in ten minutes, all refused",
        minutes=8 * HOUR,
        changes=failing("auth", "ours", (5 * HOUR, 0), (3 * HOUR, 0.2)),
        fires={"WhatsSelfSloBurn": 3, "WhatsSelfSloBudgetExhausted": 1, "WhatsSelfBanRiskHigh": 1},
    ),
    Situation(
        source="https://github.com/chatwoot/chatwoot/issues/9708",
        what="the access token is over, and two sends a minute are refused",
        minutes=2 * HOUR,
        changes={REPLIES: steady(0, (2 * HOUR, 2)), **failing("auth", "ours", (HOUR, 0), (HOUR, 2))},
        fires={
            "WhatsSelfSendFailureHigh": 1,
            "WhatsSelfSloBurn": 1,
            "WhatsSelfSloBudgetExhausted": 1,
            "WhatsSelfBanRiskHigh": 1,
        },
    ),
    Situation(
        source="https://github.com/devlikeapro/waha/issues/246",
        what="300 messages, one each two seconds, again after half an hour; an hour later the number is banned",
        minutes=4 * HOUR,
        changes={
            MASS: steady(0, (HOUR, 0), (10, 30), (30, 0), (10, 30), (130, 0)),
            of(CONNECTED, on("main")): gauge((3 * HOUR, 1), (HOUR, 0)),
            of(STATE, on("main", 'state="banned"')): gauge((3 * HOUR, 0), (HOUR, 1)),
            of(LOSSES, on("main", 'reason="banned"')): gauge((3 * HOUR, 0), (HOUR, 1)),
        },
        fires={"WhatsSelfSessionBanned": 1, "WhatsSelfSessionDown": 1, "WhatsSelfBanRiskHigh": 1},
    ),
    Situation(
        source="https://github.com/devlikeapro/waha/issues/246",
        what="the same, an hour before the ban: its pace is a warning",
        minutes=HOUR + 63,
        changes={MASS: steady(0, (HOUR, 0), (10, 30), (30, 0), (10, 30), (13, 0))},
        fires={"WhatsSelfBanRiskHigh": 1},
    ),
    Situation(
        source="https://github.com/WhiskeySockets/Baileys/issues/1864",
        what="the same reply to one person each minute, all else works",
        minutes=2 * HOUR,
        changes={
            REPLIES: steady(0, (HOUR, 0.2), (HOUR, 1.2)),
            of("rate_per_contact_per_5min"): gauge((HOUR, 1), (HOUR, 5)),
        },
        # Five messages in five minutes to one person are a lively chat as well: nothing here tells them apart.
    ),
    Situation(
        source="https://github.com/aldinokemal/go-whatsapp-web-multidevice/issues/381",
        what="two bots answer each other, twelve times a minute",
        minutes=2 * HOUR,
        changes={
            REPLIES: steady(0, (HOUR, 0.2), (HOUR, 12)),
            TEXTS: steady(0, (HOUR, 0.2), (HOUR, 12)),
            of("rate_per_contact_per_5min"): gauge((HOUR, 1), (HOUR, 60)),
            of("contact_inbound_max_5m"): gauge((HOUR, 1), (HOUR, 60)),
        },
        fires={"WhatsSelfContactFlood": 1, "WhatsSelfBanRiskHigh": 1},
    ),
    Situation(
        source="https://github.com/ribato22/MultiWA/pull/13",
        what="ten minutes away, then forty messages that were missed come at once and are answered",
        minutes=2 * HOUR,
        changes={
            of(CONNECTED, on("main")): gauge((HOUR, 1), (10, 0), (50, 1)),
            TEXTS: steady(0, (HOUR, 0.2), (10, 0), (1, 40), (49, 0.2)),
            REPLIES: steady(0, (HOUR, 0.2), (10, 0), (4, 10), (46, 0.2)),
            of("queue_depth"): gauge((71, 0), (3, 20), (46, 0)),
        },
    ),
    Situation(
        source="https://github.com/divviup/prio-server/issues/557",
        what="a queue that is never empty, and moves",
        minutes=2 * HOUR,
        changes={
            of("queue_depth"): gauge(*[(5, 20), (5, 40)] * 12),
            REPLIES: steady(0, (2 * HOUR, 3)),
            of("queue_oldest_age_seconds"): gauge(*[(5, 400), (5, 700)] * 12),
        },
    ),
    Situation(
        source="https://github.com/divviup/prio-server/issues/557",
        what="a queue that stands, and whose gauge is missing now and then",
        minutes=2 * HOUR,
        changes={
            of("queue_depth"): gauge((HOUR, 0), *[(3, 20), (2, None)] * 12),
            REPLIES: steady(0, (HOUR, 0.2), (HOUR, 0)),
        },
        fires={"WhatsSelfQueueStuck": 1, "WhatsSelfQueueBacklog": 1},
    ),
    Situation(
        source="https://github.com/signalapp/Signal-Android/issues/8602",
        what="one message does not leave, and others pass it",
        minutes=2 * HOUR,
        changes={
            of("queue_depth"): gauge((HOUR, 0), (HOUR, 2)),
            of("queue_oldest_age_seconds"): f"0x{HOUR} 0+{STEP_S}x{HOUR}",
        },
        fires={"WhatsSelfQueueStuck": 1},
    ),
    Situation(
        source="https://github.com/sidekiq/sidekiq/issues/2003",
        what="the queue stands for half an hour, then somebody looks and it goes on",
        minutes=2 * HOUR,
        changes={
            of("queue_depth"): gauge((HOUR, 0), (30, 30), (30, 0)),
            REPLIES: steady(0, (HOUR, 0.2), (30, 0), (10, 3), (20, 0.2)),
        },
    ),
    Situation(
        source="https://github.com/celery/celery/issues/2257",
        what="one of two workers is deadlocked: the queue moves at two a minute, and 300 wait",
        minutes=3 * HOUR,
        changes={of("queue_depth"): gauge((HOUR, 5), (2 * HOUR, 300)), REPLIES: steady(0, (HOUR, 4), (2 * HOUR, 2))},
        fires={"WhatsSelfQueueBacklog": 1},
    ),
    Situation(
        source="https://github.com/fabrahaingo/joel/issues/152",
        what="one in twenty of a broadcast is refused for its pace",
        minutes=6 * HOUR,
        changes={MASS: steady(0, (6 * HOUR, 8)), **failing("rate_limited", "ours", (6 * HOUR, 0.4))},
        # A slow leak of the objective: a warning, no page.
        fires={"WhatsSelfSloBurn": 1, "WhatsSelfSloBudgetExhausted": 1},
    ),
    Situation(
        source="https://github.com/n8n-io/n8n/issues/10728",
        what="n8n answers webhooks with 504 after an update: the bridge keeps them",
        minutes=2 * HOUR,
        changes={of("bridge_queue_oldest_age_seconds"): f"0x{HOUR} 0+{STEP_S}x{HOUR}"},
        fires={"WhatsSelfBridgeTargetAway": 1},
    ),
    Situation(
        source="https://github.com/fastapi/full-stack-fastapi-template/issues/104",
        what="a hundred requests at once: the pool is full, half of the answers are 500, nearly all are slow",
        minutes=2 * HOUR,
        changes={
            of("http_server_request_duration_seconds_count", 'http_response_status_code="200"'): steady(
                0, (HOUR, 10), (HOUR, 5)
            ),
            of("http_server_request_duration_seconds_count", 'http_response_status_code="500"'): steady(
                0, (HOUR, 0), (HOUR, 5)
            ),
            of("http_server_request_duration_seconds_bucket", 'http_response_status_code="200",le="5"'): steady(
                0, (HOUR, 10), (HOUR, 1)
            ),
            of("db_pool_in_use", 'pool="default"'): gauge((HOUR, 2), (HOUR, 15)),
            of("db_pool_max", 'pool="default"'): gauge((2 * HOUR, 15)),
        },
        fires={
            "WhatsSelfHttpErrorsHigh": 1,
            "WhatsSelfHttpSlow": 1,
            "WhatsSelfPoolFull": 1,
            # The objective that the errors cost is kept silent by them.
            "WhatsSelfSloBurn": 2,
        },
    ),
)


@pytest.mark.backend
@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.what)
def test_fires_what_it_should_and_nothing_else(situation: Situation, tmp_path: Path) -> None:
    done = play(situation, tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr
