"""Play scenarios on the real collector, Prometheus and Alertmanager, and compare the alerts with the expected ones."""

from __future__ import annotations

import json
import os
import re
import time
import urllib.parse
import urllib.request
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from whatsself_otel.simulation.business import OUTSIDE, Business, Phase
from whatsself_otel.simulation.receivers import Receivers, Told, receiving
from whatsself_otel.stack.addresses import Addresses
from whatsself_otel.stack.errors import CommandError
from whatsself_otel.stack.native_stack import Stack, StackConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from whatsself_otel.simulation.scenarios import Scenario

PROGRAMS: Final = ("collector", "prometheus", "alertmanager")
MOST_SPEED: Final = 120.0
"""Above this speed, waits are so short that a busy machine's pauses would fire alerts."""
_TICK_S: Final = 0.05
_LOOK_S: Final = 0.5
_WARM_UP_S: Final = 60.0
_LAST_WORDS_MIN: Final = 7
"""Alertmanager's ``group_interval`` and more: the time until an alert's end is notified."""
_TOLD: Final = 'severity!="none"'
"""Alerts that could reach people: no heartbeat, and no alert that only inhibits others."""
_IDLE: Final = "idle"
_POINTS: Final = 10_000
"""Prometheus answers at most 11,000 points a series."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fired:
    """An alert that fired."""

    alert: str
    """Its name with the labels that tell it apart."""
    after_min: float
    """Minutes from the trouble's beginning, in the business's time, as all here."""
    ended_min: float | None
    """None if it still fires."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The result of a scenario."""

    scenario: Scenario
    fired: tuple[Fired, ...]
    told: tuple[Told, ...]
    waited: bool
    """Whether the run waited for the alerts' end."""
    missed: int = 0
    """Evaluations of the rules that this machine had no time for."""
    idle_fired: tuple[str, ...] = ()
    """Alerts about a service in which nothing happened: its telemetry had no time to arrive."""

    def problems(self) -> Iterator[str]:
        """Return the differences from the scenario's expected alerts."""
        differences = list(self._differences())
        if differences and self.missed:
            yield f"this machine is too slow: {self.missed} evaluations of rules were missed, and nothing is proven"
        if differences and self.idle_fired:
            names = ", ".join(self.idle_fired)
            yield f"this machine is too slow: {names} fired for a service without any trouble, and nothing is proven"
        yield from differences

    def _differences(self) -> Iterator[str]:
        fired = {each.alert: each for each in self.fired}
        for alert in sorted(fired.keys() - self.scenario.fires.keys()):
            yield f"{alert} fired and should not have"
        for alert, expected in self.scenario.fires.items():
            if alert not in fired:
                yield f"{alert} did not fire"
                continue
            if fired[alert].after_min > expected.within_min:
                yield f"{alert} fired after {fired[alert].after_min:.1f} minutes, not within {expected.within_min:g}"
            if self.waited and fired[alert].ended_min is None:
                yield f"{alert} fires still"
        yield from self._words(set(fired))

    def _words(self, fired: set[str]) -> Iterator[str]:
        begun = {_alert_of(told.title) for told in self.told if not told.is_over}
        ended = {_alert_of(told.title) for told in self.told if told.is_over}
        # The windows of one objective are told of in one message.
        expected: dict[str, bool] = {}
        for alert, each in self.scenario.fires.items():
            expected[alert.partition("{")[0]] = each.told
        for name in sorted({alert.partition("{")[0] for alert in fired} | begun):
            if expected.get(name, False) and name not in begun:
                yield f"nobody was told of {name}"
            if not expected.get(name, False) and name in begun:
                yield f"people were told of {name} and should not have been"
            if self.waited and name in begun and name not in ended:
                yield f"nobody was told that {name} has ended"


def _alert_of(title: str) -> str:
    return re.sub(r"^\[[^]]*\] ", "", title).split(" ")[0]


@dataclass(slots=True)
class _Play:
    """One scenario under way."""

    scenario: Scenario
    business: Business
    started_s: float
    speed: float
    phase: int = -1
    trouble_s: float = 0.0
    """When the second phase began, in seconds since the epoch."""
    quiet_since_s: float | None = None
    done: bool = False

    @property
    def now_min(self) -> float:
        return (time.time() - self.started_s) * self.speed / 60

    @property
    def is_last(self) -> bool:
        return self.phase == len(self.scenario.phases) - 1

    @property
    def last_began_min(self) -> float:
        return sum(each.minutes for each in self.scenario.phases[:-1])

    def current(self) -> int:
        """Return the index of the current phase."""
        end = 0.0
        for number, phase in enumerate(self.scenario.phases):
            end += phase.minutes
            if self.now_min < end:
                return number
        return len(self.scenario.phases) - 1


@dataclass(slots=True)
class Simulation:
    """
    A stack with shorter waits, and its businesses.

    Args:
        stack: Runs the collector, Prometheus and Alertmanager.
        receivers: Where Alertmanager's messages arrive.
        speed: Minutes of the businesses' time in one of ours.
        say: Told what happens, a line at a time.
    """

    stack: Stack
    receivers: Receivers
    speed: float
    say: Callable[[str], None]
    _plays: list[_Play] = field(default_factory=list)
    _idle: Business | None = None
    """A service in which nothing happens; None where the collector is stopped, which it would tell of."""

    def play(self, scenarios: Sequence[Scenario], *, wait: bool = True) -> list[Outcome]:
        """
        Play *scenarios* side by side, each with a service of its own.

        Args:
            scenarios: One that stops the collector must be alone.
            wait: Until every alert has ended; else the last phase ends it.

        Raises:
            CommandError: A scenario needs to be alone, or the stack was not quiet before it.
        """
        if len(scenarios) > 1 and any(phase.event in OUTSIDE for each in scenarios for phase in each.phases):
            raise CommandError("A scenario that stops the collector is played alone.")
        with ExitStack() as ended:
            businesses = [self._business(each.name) for each in scenarios]
            is_stopped = any(phase.event in OUTSIDE for each in scenarios for phase in each.phases)
            self._idle = None if is_stopped else self._business(_IDLE)
            started = [*businesses, *([self._idle] if self._idle else [])]
            for business in started:
                business.start()
                ended.callback(business.stop)
            self._wait_until_quiet(started)
            began_s, missed = time.time(), self._missed()
            self._plays = [
                _Play(scenario=scenario, business=business, started_s=began_s, speed=self.speed)
                for scenario, business in zip(scenarios, businesses, strict=True)
            ]
            self._run(wait=wait)
            missed = self._missed() - missed
            return [self._outcome(play, began_s, wait=wait, missed=missed) for play in self._plays]

    def _business(self, name: str) -> Business:
        return Business(name, self.stack.addresses.otlp_http, speed=self.speed)

    def _wait_until_quiet(self, businesses: Sequence[Business]) -> None:
        """
        Wait until the stack is settled: the first samples have arrived, and nothing fires or is pending.

        Prometheus takes five seconds to look at its targets, which is long enough here for the collector's alert.
        """
        deadline_s = time.monotonic() + _WARM_UP_S
        jobs = {business.job for business in businesses}
        while time.monotonic() < deadline_s:
            seen = {each["metric"].get("job") for each in self._ask('whatsself:up == 1 or up{job="otelcol"} == 1')}
            if seen >= {*jobs, "otelcol"} and not self._alerts() and self._all_is_said():
                self.receivers.told.clear()
                return
            time.sleep(_LOOK_S)
        raise CommandError(f"The stack was not quiet in {_WARM_UP_S:g} s: {self._alerts() or 'no data arrived'}.")

    def _all_is_said(self) -> bool:
        told = self.receivers.told
        begun, ended = (
            {(each.by, _alert_of(each.title)) for each in told if each.is_over is over} for over in (False, True)
        )
        return begun <= ended

    def _run(self, *, wait: bool) -> None:
        look_s = 0.0
        while not all(play.done for play in self._plays):
            for play in self._plays:
                self._advance(play)
            if time.monotonic() >= look_s:
                look_s = time.monotonic() + _LOOK_S
                self._look(wait=wait)
            time.sleep(_TICK_S)

    def _advance(self, play: _Play) -> None:
        now_min = play.now_min
        number = play.current()
        while play.phase < number:
            play.phase += 1
            phase = play.scenario.phases[play.phase]
            play.business.live(sum(each.minutes for each in play.scenario.phases[: play.phase]), self._before(play))
            self._begin(play, phase)
        play.business.live(now_min, play.scenario.phases[play.phase])

    def _before(self, play: _Play) -> Phase:
        return play.scenario.phases[max(play.phase - 1, 0)]

    def _begin(self, play: _Play, phase: Phase) -> None:
        self.say(f"{play.scenario.name}: minute {play.now_min:.0f}: {phase.what}")
        if play.phase == 1:
            play.trouble_s = time.time()
        if phase.event == "stop_collector":
            self.stack.stop_one("collector")
        elif phase.event == "start_collector":
            self.stack.restart("collector")
        play.business.begin(phase)

    def _look(self, *, wait: bool) -> None:
        firing = self._firing() if wait else set()
        for play in self._plays:
            if play.done or not play.is_last:
                continue
            if firing & self._own(play, firing):
                play.quiet_since_s = None
            elif play.quiet_since_s is None:
                play.quiet_since_s = time.time()
            self._end(play, wait=wait)

    def _end(self, play: _Play, *, wait: bool) -> None:
        ended_min = play.last_began_min + play.scenario.phases[-1].minutes
        quiet_min = (time.time() - play.quiet_since_s) * self.speed / 60 if play.quiet_since_s else 0.0
        over = play.now_min >= ended_min and (not wait or quiet_min >= _LAST_WORDS_MIN)
        late = play.now_min >= play.last_began_min + play.scenario.resolves_min + _LAST_WORDS_MIN
        play.done = over or (wait and late)

    def _own(self, play: _Play, firing: set[tuple[str, str]]) -> set[tuple[str, str]]:
        """Return the firing alerts that *play* caused: those of its job, and those of no job, as the collector's."""
        others = self._jobs() - {play.business.job}
        return {(alert, job) for alert, job in firing if job not in others}

    def _jobs(self) -> set[str]:
        """Return the jobs of every service that runs."""
        return {each.business.job for each in self._plays} | ({self._idle.job} if self._idle else set())

    def _firing(self) -> set[tuple[str, str]]:
        return self._alerts(', alertstate="firing"')

    def _alerts(self, more: str = "") -> set[tuple[str, str]]:
        found = self._ask(f"ALERTS{{{_TOLD}{more}}}")
        return {(_name(each["metric"]), each["metric"].get("job", "")) for each in found}

    def _missed(self) -> int:
        """Return how many evaluations Prometheus had no time for since its start."""
        found = self._ask("sum(prometheus_rule_group_iterations_missed_total)")
        return int(found[0]["value"][1]) if found else 0

    def _outcome(self, play: _Play, began_s: float, *, wait: bool, missed: int) -> Outcome:
        others = self._jobs() - {play.business.job}
        end_s = time.time()
        step_s = max(15 / self.speed, (end_s - began_s) / _POINTS)
        query = {"query": f'ALERTS{{alertstate="firing", {_TOLD}}}', "step": f"{step_s:.3f}"}
        series = self._get("query_range", query | {"start": f"{began_s:.3f}", "end": f"{end_s:.3f}"})
        still = self._own(play, self._firing())
        idle = {_name(each["metric"]) for each in series if self._idle and each["metric"].get("job") == self._idle.job}
        fired: dict[str, Fired] = {}
        for each in series:
            name, job = _name(each["metric"]), each["metric"].get("job", "")
            if job in others:
                continue
            times = [float(at) for at, _ in each["values"]]
            first, last = min(times), max(times)
            if name in fired:
                first = min(first, play.trouble_s + fired[name].after_min * 60 / self.speed)
            fired[name] = Fired(
                alert=name,
                after_min=(first - play.trouble_s) * self.speed / 60,
                ended_min=None if (name, job) in still else (last - play.trouble_s) * self.speed / 60,
            )
        told = tuple(each for each in self.receivers.told if each.at >= began_s and self._concerns(each, play))
        return Outcome(
            scenario=play.scenario,
            fired=tuple(sorted(fired.values(), key=lambda each: each.after_min)),
            told=told,
            waited=wait,
            missed=missed,
            idle_fired=tuple(sorted(idle)),
        )

    def _concerns(self, told: Told, play: _Play) -> bool:
        jobs = {job for job in self._jobs() if job in told.title}
        return not jobs or play.business.job in jobs

    def _ask(self, query: str) -> list[dict[str, Any]]:
        return self._get("query", {"query": query})

    def _get(self, path: str, parameters: Mapping[str, str]) -> list[dict[str, Any]]:
        url = f"{self.stack.addresses.prometheus}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(url, timeout=10) as answer:
            found: list[dict[str, Any]] = json.loads(answer.read())["data"]["result"]
        return found


def _name(labels: Mapping[str, str]) -> str:
    told_apart = ",".join(f"{key}={labels[key]}" for key in ("slo", "long", "short") if key in labels)
    return f"{labels['alertname']}{{{told_apart}}}" if told_apart else labels["alertname"]


@contextmanager
def simulation(*, speed: float, say: Callable[[str], None] = lambda _: None) -> Iterator[Simulation]:
    """
    Run the programs that scenarios need until the block ends, on free ports, with temporary data.

    Args:
        speed: Minutes of the businesses' time in one of ours; 1 to `MOST_SPEED`.
        say: Told what happens, a line at a time.

    Raises:
        CommandError: A program is missing, or the speed is out of range.
    """
    if not 1 <= speed <= MOST_SPEED:
        raise CommandError(f"--speed must be from 1 to {MOST_SPEED:g}, got {speed:g}.", status=2)
    with TemporaryDirectory(prefix="whatsself-simulation-") as folder, receiving() as receivers:
        environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("ALERT_", "OTEL_"))},
            **receivers.environment(Path(folder)),
        }
        config = StackConfig(
            data=Path(folder) / "data",
            addresses=Addresses.free(),
            tempo=False,
            environ=environ,
            speed=speed,
            only=PROGRAMS,
        )
        with Stack(config, say=say) as stack:
            yield Simulation(stack=stack, receivers=receivers, speed=speed, say=say)
