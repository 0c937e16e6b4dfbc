"""A WhatsSelf in accelerated time: real instruments, the demo's real breaker, the package's own export."""

from __future__ import annotations

import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from whatsself_otel import catalogue
from whatsself_otel.config import TelemetryConfig
from whatsself_otel.demo.breaker import BreakerBoard, BreakerState
from whatsself_otel.demo.settings import BreakerConfig, PaceConfig
from whatsself_otel.export.exporters import Exporters
from whatsself_otel.masking import Masker
from whatsself_otel.metrics.recording import WhatsSelfMetrics, create_histogram
from whatsself_otel.metrics.runtime import RuntimeMetrics
from whatsself_otel.providers import Providers
from whatsself_otel.traces.processors import OpenRequests

if TYPE_CHECKING:
    from opentelemetry.metrics import Meter

SERVICE: Final = "whatsself"
SESSION: Final = "main"
EXPORT_S: Final = 15.0
"""Seconds of the business's time between two exports: the package's default."""
_FIVE_MINUTES: Final = 5.0
_MAX_STEP_MIN: Final = 0.5
"""Step in which missed minutes are caught up after a pause of this process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """A period with constant rates, per minute of the business's time."""

    minutes: float
    what: str
    """Short description for people."""
    event: str = ""
    """The event at its beginning: a method of `Business`, or a name in `OUTSIDE`."""
    inbound: float = 3
    """Messages from many contacts; each is answered."""
    flood: float = 0
    """Messages from a single contact."""
    manual: float = 0
    """Messages sent by hand, each to another contact."""
    broadcast: int = 0
    """Messages queued at its beginning."""
    failing: float = 0
    """Share of the attempts that fail, 0 to 1."""
    requests: float = 10
    """Requests to the API, besides the messages."""
    errors: float = 0
    """Share of these requests that get 503, 0 to 1."""
    request_s: float = 0.05
    pool_wait_s: float = 0.001


OUTSIDE: Final = frozenset({"stop_collector", "start_collector"})
"""Events outside the business."""


@dataclass(slots=True, eq=False)
class Waiting:
    """A message in the queue."""

    origin: str
    contact: str
    since_min: float


@dataclass(slots=True)
class Credit:
    """Turns rates into whole events without chance, so that every simulation is the same."""

    _left: Counter[str] = field(default_factory=Counter)

    def due(self, what: str, amount: float) -> int:
        """Return the whole events that *amount* more gives."""
        total = self._left[what] + amount
        whole = int(total + 1e-9)
        self._left[what] = total - whole  # type: ignore[assignment]
        return whole


class Business:
    """
    A simulated business, identified by its namespace.

    Args:
        name: Namespace of its service; Prometheus shows the job ``NAME/whatsself``.
        endpoint: Where it sends OTLP over HTTP.
        speed: Minutes of its time in one of ours; at least 1.
    """

    def __init__(self, name: str, endpoint: str, *, speed: float) -> None:
        self.name = name
        self._endpoint = endpoint
        self._speed = speed
        self._lived_min = 0.0
        self._queue: deque[Waiting] = deque()
        self._sent_to: dict[str, deque[float]] = {}
        self._contacts = 0
        self._credit = Credit()
        self._connected = True
        self._providers: Providers | None = None

    @property
    def job(self) -> str:
        """Name of its job in Prometheus."""
        return f"{self.name}/{SERVICE}"

    def start(self) -> None:
        """Begin to export, as a new process would."""
        config = TelemetryConfig(
            environ={},
            service_name=SERVICE,
            service_namespace=self.name,
            endpoint=self._endpoint,
            traces_exporter="none",
            logs_exporter="none",
            metric_interval_s=EXPORT_S / self._speed,
            export_timeout_s=2,
        )
        masker = Masker(config.masking_rules)
        self._providers = Providers(config, masker, OpenRequests(), Exporters.of(config, masker))
        meter = self._providers.meter_provider.get_meter("whatsself_otel")
        self._observe(meter, masker)
        self._providers.on_dropped = self._metrics.dropped

    def _observe(self, meter: Meter, masker: Masker) -> None:
        # Timestamps are compared with Prometheus' own clock; windows and waits are of the business's time.
        self._metrics = WhatsSelfMetrics(
            meter, clock=time.time, steady_clock=lambda: self._lived_min * 60, identifier=masker.identifier
        )
        RuntimeMetrics(meter)
        self._metrics.observe_queue(depth=lambda: len(self._queue), oldest_age=self._oldest_s)
        self._requests = create_histogram(meter, catalogue.HTTP_SERVER_REQUEST_DURATION)
        self._pool_waits = create_histogram(meter, catalogue.DB_POOL_WAIT)
        self._breakers = BreakerBoard(BreakerConfig(), self._tell, clock=lambda: self._lived_min * 60)
        self._metrics.session_state(session=SESSION, state="connected" if self._connected else "disconnected")

    def stop(self) -> None:
        """End as in a crash: nothing more is exported."""
        providers, self._providers = self._providers, None
        if providers is not None:
            providers.shutdown(1.0)

    def live(self, until_min: float, phase: Phase) -> None:
        """Live in *phase* until that minute of its time."""
        while until_min - self._lived_min > 1e-9:
            step_min = min(until_min - self._lived_min, _MAX_STEP_MIN)
            self._lived_min += step_min
            if self._providers is not None:
                self._step(step_min, phase)

    def begin(self, phase: Phase) -> None:
        """Start the event of *phase*."""
        if phase.event and phase.event not in OUTSIDE:
            getattr(self, phase.event)()
        for _ in range(phase.broadcast):
            self._enqueue("broadcast", self._contact())

    def lose_session(self, reason: str = "transient") -> None:
        """Lose the connection to WhatsApp."""
        self._connected = False
        self._metrics.session_disconnected(session=SESSION, reason=reason)

    def be_banned(self) -> None:
        """Be banned by WhatsApp."""
        self.lose_session("banned")

    def reconnect(self) -> None:
        """Connect again."""
        self._connected = True
        self._metrics.session_state(session=SESSION, state="connected")

    def _step(self, step_min: float, phase: Phase) -> None:
        for _ in range(self._credit.due("inbound", phase.inbound * step_min)):
            self._receive(self._contact())
        for _ in range(self._credit.due("flood", phase.flood * step_min)):
            self._receive("insistent")
        for _ in range(self._credit.due("manual", phase.manual * step_min)):
            self._enqueue("manual", self._contact())
        for _ in range(self._credit.due("requests", phase.requests * step_min)):
            self._answer(phase)
        for _ in range(self._credit.due("pace", (PaceConfig().per_min or 0) * step_min)):
            self._send(phase)
        self._breakers.announce()

    def _contact(self) -> str:
        self._contacts += 1
        return f"contact-{self._contacts}"

    def _receive(self, contact: str) -> None:
        self._metrics.message_inbound(contact_id=contact)
        if self._may_write_to(contact):
            self._enqueue("reply", contact)

    def _may_write_to(self, contact: str) -> bool:
        sent = self._sent_to.setdefault(contact, deque())
        while sent and sent[0] < self._lived_min - _FIVE_MINUTES:
            sent.popleft()
        return len(sent) < (PaceConfig().per_contact or 0)

    def _enqueue(self, origin: str, contact: str) -> None:
        self._sent_to.setdefault(contact, deque()).append(self._lived_min)
        self._queue.append(Waiting(origin, contact, self._lived_min))

    def _send(self, phase: Phase) -> None:
        if not (self._queue and self._connected and self._breakers.allows()):
            return
        waiting = self._next()
        self._breakers.begin(waiting.contact)
        failed = bool(self._credit.due("failing", phase.failing))
        if failed:
            self._metrics.message_failed(reason="network", origin=waiting.origin, contact_id=waiting.contact)
        else:
            self._metrics.message_sent(origin=waiting.origin, contact_id=waiting.contact)
            self._metrics.message_delivered()
        self._breakers.record(waiting.contact, succeeded=not failed)

    def _next(self) -> Waiting:
        # Somebody waits for a reply, nobody for a broadcast.
        waiting = next((each for each in self._queue if each.origin == "reply"), self._queue[0])
        self._queue.remove(waiting)
        return waiting

    def _answer(self, phase: Phase) -> None:
        status = 503 if self._credit.due("errors", phase.errors) else 200
        attributes = {"http.route": "/webhook/messages", "http.request.method": "POST", "url.scheme": "http"}
        self._requests.record(phase.request_s, {**attributes, "http.response.status_code": status})
        self._pool_waits.record(phase.pool_wait_s, {"pool": "default"})

    def _tell(self, contact: str | None, state: BreakerState) -> None:
        self._metrics.breaker_state(state.value, contact_id=contact)

    def _oldest_s(self) -> float:
        # Rules compare this age with how far Prometheus' own clock went on.
        return (self._lived_min - self._queue[0].since_min) * 60 / self._speed if self._queue else 0.0
