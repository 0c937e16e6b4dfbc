"""Possible troubles, in minutes of the business's time, with the alerts that each must and must not fire."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from whatsself_otel.simulation.business import Phase

if TYPE_CHECKING:
    from collections.abc import Mapping

USUAL: Final = Phase(minutes=5, what="an ordinary day")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fires:
    """An alert that a scenario fires."""

    within_min: float
    """Minutes from the trouble's beginning."""
    told: bool = True
    """Whether people are notified; False if a stronger alert inhibits it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A trouble from its beginning to its end."""

    name: str
    title: str
    phases: tuple[Phase, ...]
    """Its phases; the trouble begins with the second one."""
    fires: Mapping[str, Fires] = field(default_factory=dict)
    """Every alert, by its name and distinguishing labels; no other may fire."""
    resolves_min: float = 30
    """Minutes from the last phase's beginning until no alert fires."""

    @property
    def minutes(self) -> float:
        """Longest duration of the scenario."""
        return sum(phase.minutes for phase in self.phases[:-1]) + max(self.phases[-1].minutes, self.resolves_min)


_AFTERWARDS: Final = Phase(minutes=1, what="all is well again")
_BURN_HOUR: Final = "WhatsSelfSloBurn{slo=api-availability,long=1h,short=5m}"

_EVERY: Final = (
    Scenario(
        name="session-lost",
        title="The phone loses its connection for nine minutes",
        phases=(
            USUAL,
            Phase(minutes=9, what="WhatsApp is not connected", event="lose_session", inbound=0),
            Phase(minutes=1, what="connected again", event="reconnect"),
        ),
        fires={
            "WhatsSelfSessionDown": Fires(within_min=8),
        },
    ),
    Scenario(
        name="breaker",
        title="WhatsApp refuses everything for eight minutes: the circuit breaker trips, tries again and opens again",
        phases=(
            # The day's other messages: without them three failures would be more than a day allows.
            Phase(minutes=60, what="a busy morning", manual=8),
            # Longer than its cool-down of five minutes: after a shorter trouble the queue leaves before failures have
            # been over 25 % of ten minutes' attempts for two minutes, and nobody need be woken.
            Phase(minutes=8, what="every attempt fails", inbound=0.5, manual=8, failing=1),
            Phase(minutes=1, what="WhatsApp takes messages again", inbound=0.5, manual=8),
        ),
        fires={
            "WhatsSelfBreakerOpen": Fires(within_min=6),
            # What failed before it opened makes up more and more of what was tried.
            "WhatsSelfSendFailureHigh": Fires(within_min=12),
        },
        resolves_min=45,
    ),
    Scenario(
        name="broadcast",
        title="A broadcast to 500 contacts leaves at twelve a minute",
        phases=(USUAL, Phase(minutes=45, what="500 messages wait", broadcast=500, inbound=0.5), _AFTERWARDS),
        resolves_min=5,
    ),
    Scenario(
        name="flood",
        title="One contact writes eight messages a minute for eight minutes",
        phases=(USUAL, Phase(minutes=8, what="one contact floods", flood=8, inbound=4), _AFTERWARDS),
        fires={"WhatsSelfContactFlood": Fires(within_min=13)},
        resolves_min=45,
    ),
    Scenario(
        name="slow-database",
        title="The database hardly answers: requests wait for a connection, one in five gives up",
        phases=(
            Phase(minutes=60, what="a busy morning", requests=100),
            Phase(minutes=16, what="the database is slow", errors=0.2, request_s=8, pool_wait_s=6),
            _AFTERWARDS,
        ),
        fires={
            "WhatsSelfHttpErrorsHigh": Fires(within_min=17),
            # All are slow, which takes longer to be most of ten minutes' than a fifth takes to be 5 %.
            "WhatsSelfHttpSlow": Fires(within_min=17, told=False),
        },
        resolves_min=50,
    ),
    Scenario(
        name="collector-down",
        title="The collector is away for ten minutes",
        phases=(
            USUAL,
            Phase(minutes=10, what="the collector is stopped", event="stop_collector"),
            Phase(minutes=1, what="the collector runs again", event="start_collector"),
        ),
        fires={
            "WhatsSelfCollectorDown": Fires(within_min=4),
            "WhatsSelfTelemetryAbsent": Fires(within_min=7, told=False),
            # What could not be sent is known when it can be said.
            "WhatsSelfTelemetryDropped": Fires(within_min=20),
        },
        resolves_min=60,
    ),
    Scenario(
        name="ban",
        title="WhatsApp bans the number; another one takes over after twelve minutes",
        phases=(
            USUAL,
            Phase(minutes=12, what="banned", event="be_banned", inbound=0),
            Phase(minutes=1, what="connected with another number", event="reconnect"),
        ),
        fires={
            "WhatsSelfSessionBanned": Fires(within_min=2),
            "WhatsSelfSessionDown": Fires(within_min=8, told=False),
            "WhatsSelfBanRiskHigh": Fires(within_min=15),
        },
        # The risk looks back over a day.
        resolves_min=1480,
    ),
    Scenario(
        name="outage",
        title="The application is gone for ten minutes",
        phases=(
            USUAL,
            Phase(minutes=10, what="the application does not run", event="stop"),
            Phase(minutes=1, what="the application runs again", event="start"),
        ),
        fires={
            "WhatsSelfTelemetryAbsent": Fires(within_min=8),
            _BURN_HOUR: Fires(within_min=11, told=False),
        },
    ),
    Scenario(
        name="quiet-hour",
        title="Three messages in an hour, one of them fails",
        phases=(
            Phase(minutes=5, what="night", inbound=0, requests=0.1),
            Phase(minutes=20, what="the first message fails", inbound=0.05, requests=0.1, failing=1),
            Phase(minutes=40, what="two more arrive", inbound=0.05, requests=0.1),
            Phase(minutes=1, what="night", inbound=0, requests=0.1),
        ),
        resolves_min=5,
    ),
)
SCENARIOS: Final[Mapping[str, Scenario]] = {scenario.name: scenario for scenario in _EVERY}
"""Every scenario, by its name."""
