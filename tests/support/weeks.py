"""A week of two businesses, minute by minute: what their applications and the machinery would have exported."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    Values = Sequence[float | None]

HOUR: Final = 60
DAY: Final = 24 * HOUR
WEEK: Final = 7 * DAY
DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
OPENS, CLOSES = 9 * HOUR, 18 * HOUR
STATES: Final = ("connected", "disconnected", "logged_out", "banned", "starting", "qr_pending", "expired", "restricted")


def at(day: str, time: str) -> int:
    """Return a minute of the week."""
    return DAYS.index(day) * DAY + int(time[:2]) * HOUR + int(time[3:])


def when(minute: float) -> str:
    """Return the day and time of a minute."""
    day, rest = divmod(round(minute), DAY)
    return f"{DAYS[day % 7]} {rest // HOUR:02}:{rest % HOUR:02}"


def is_open(minute: int) -> bool:
    """Whether the business is open: 09:00 to 18:00 from Monday to Friday."""
    return minute // DAY % 7 < 5 and OPENS <= minute % DAY < CLOSES


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """From one minute up to another."""

    begin: int
    end: int

    def __contains__(self, minute: int) -> bool:
        return self.begin <= minute < self.end


def span(day: str, begin: str, end: str, *, until: str = "") -> Span:
    """Return the time from *begin* to *end*, on the same day or on *until*."""
    return Span(begin=at(day, begin), end=at(until or day, end))


@dataclass(slots=True)
class Week:
    """
    Series of a week.

    Args:
        minutes: Up to which minute.
        begin: From which minute on series are kept.
        blind: When the collector is away: nothing of an application arrives.
    """

    minutes: int = WEEK
    begin: int = 0
    blind: Span = Span(begin=0, end=0)
    series: dict[str, str] = field(default_factory=dict)

    def put(self, name: str, labels: str, values: Values) -> None:
        """Add one series."""
        self.series[f"{name}{{{labels}}}"] = " ".join(_written(values[self.begin :]))

    def machinery(self, refused: Span = Span(begin=0, end=0)) -> None:
        """
        Add what collector, stores, Prometheus and Alertmanager tell of themselves.

        Args:
            refused: When Slack refuses what Alertmanager sends; a request fails in each minute of it.
        """
        for job in ("otelcol", "prometheus", "alertmanager", "victorialogs", "tempo"):
            away = [float(job != "otelcol" or minute not in self.blind) for minute in range(self.minutes)]
            self.put("up", f'job="{job}",instance="{job}"', away)
        self.put("prometheus_notifications_alertmanagers_discovered", 'job="prometheus"', [1.0] * self.minutes)
        self.put("prometheus_config_last_reload_successful", 'job="prometheus"', [1.0] * self.minutes)
        self.put("alertmanager_config_last_reload_successful", 'job="alertmanager"', [1.0] * self.minutes)
        failed = accumulate(float(minute in refused) for minute in range(self.minutes))
        self.put(
            "alertmanager_notification_requests_failed_total", 'job="alertmanager",integration="slack"', list(failed)
        )
        for integration in ("email", "webhook"):
            self.put(
                "alertmanager_notification_requests_failed_total",
                f'job="alertmanager",integration="{integration}"',
                [0.0] * self.minutes,
            )


@dataclass(slots=True)
class Process:
    """
    One process of an application, with its exports.

    Args:
        week: Where it goes.
        instance: Its name.
        life: From its start to its end.
        environment: Its environment.
    """

    week: Week
    instance: str
    life: Span
    environment: str = "production"

    def gauge(self, name: str, values: Iterable[float | None], labels: str = "") -> None:
        """Add a gauge; *values* are of the whole week."""
        self.week.put(name, self._labels(labels), [self._seen(minute, value) for minute, value in enumerate(values)])

    def counter(self, name: str, events: Sequence[float], labels: str = "") -> None:
        """Add a counter from zero; *events* are those of each minute of the week."""
        own = accumulate(count if minute in self.life else 0.0 for minute, count in enumerate(events))
        self.gauge(name, own, labels)

    def histogram(self, name: str, all_of: Sequence[float], bucket: str, fast: Sequence[float], more: str = "") -> None:
        """Add the count and one bucket of a histogram, of which *fast* is what fell into it."""
        self.counter(f"{name}_count", all_of, more)
        self.counter(f"{name}_bucket", fast, f'{more and more + ","}le="{bucket}"')

    def basics(self) -> None:
        """Add what every process exports."""
        minutes = range(self.week.minutes)
        self.gauge("process_uptime_seconds", [60.0 * (minute - self.life.begin) for minute in minutes])
        self.gauge("business_open", [float(is_open(minute + 1)) for minute in minutes])
        self.gauge("cb_state_global", [0.0] * self.week.minutes)
        self.gauge("event_loop_lag_seconds", [0.01] * self.week.minutes)
        none = [0.0] * self.week.minutes
        self.counter("telemetry_errors_total", none, 'component="metrics"')
        self.counter("telemetry_dropped_items_total", none, 'signal="traces",reason="queue_full"')

    def session(self, name: str, states: Sequence[str], losses: dict[int, str]) -> None:
        """
        Add a session.

        Args:
            name: Its name.
            states: What it is in, in each minute of the week.
            losses: Reasons, by minute.
        """
        own = f'session="{name}"'
        self.gauge("whatsapp_session_connected", [float(state == "connected") for state in states], own)
        for state in STATES:
            if state in states:
                self.gauge("whatsapp_session_state", [float(state == now) for now in states], f'{own},state="{state}"')
        for reason in {"transient", *losses.values()}:
            events = [float(losses.get(minute) == reason) for minute in range(self.week.minutes)]
            self.counter("whatsapp_session_disconnects_total", events, f'{own},reason="{reason}"')
        self._recoveries(own, states)

    def _recoveries(self, own: str, states: Sequence[str]) -> None:
        took: dict[int, int] = {}
        lost = None
        for minute, (before, now) in enumerate(pairwise(states), 1):
            if before == "connected" != now:
                lost = minute
            elif now == "connected" != before and lost is not None:
                took[minute] = minute - lost
        minutes = range(self.week.minutes)
        everything = [float(minute in took) for minute in minutes]
        fast = [float(took.get(minute, 99) <= 5) for minute in minutes]
        self.histogram("whatsapp_session_recovery_seconds", everything, "300", fast, own)

    def _labels(self, more: str) -> str:
        who = f'job="whatsself",service_name="whatsself",deployment_environment_name="{self.environment}"'
        return f'{who},instance="{self.instance}"{more and "," + more}'

    def _seen(self, minute: int, value: float | None) -> float | None:
        return value if minute in self.life and minute not in self.week.blind else None


def _written(values: Values) -> Iterator[str]:
    """Yield *values* in promtool's notation: runs of equal steps."""
    first = 0
    while first < len(values):
        value, last = values[first], first
        if value is None:
            while last + 1 < len(values) and values[last + 1] is None:
                last += 1
            yield f"_x{last - first + 1}"
        else:
            step = _step(values, first)
            while _step(values, last) == step is not None:
                last += 1
            yield f"{value:.10g}" if step is None else f"{value:.10g}{step:+.10g}x{last - first}"
        first = last + 1


def _step(values: Values, index: int) -> float | None:
    one, other = values[index], values[index + 1] if index + 1 < len(values) else None
    return None if one is None or other is None else round(other - one, 6)


def lives(
    week: Week, starts: Iterable[int], *, name: str, end: int = 0, environment: str = "production"
) -> list[Process]:
    """Return processes that follow each other, each a minute after the end of the one before."""
    bounds = [*starts, end or week.minutes]
    return [
        Process(week=week, instance=f"{name}-{number}", life=Span(begin=begin, end=until - 1), environment=environment)
        for number, (begin, until) in enumerate(pairwise(bounds), 1)
    ]


def spread(per_day: Sequence[int], seed: int, minutes: int) -> list[float]:
    """Return messages by minute: most of them while the shop is open, some in the evening, none at night."""
    chance = random.Random(seed)
    found = [0.0] * (len(per_day) * DAY)
    for day, count in enumerate(per_day):
        for _ in range(count):
            hour = chance.choices(range(8, 22), weights=[2, *[6] * 10, 2, 1, 1])[0]
            found[day * DAY + hour * HOUR + chance.randrange(HOUR)] += 1
    return found[:minutes]
