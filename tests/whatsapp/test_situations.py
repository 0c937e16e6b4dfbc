"""
A provider's whole bad day in the real Prometheus: its numbers are the journal's, with one process and with two.

Two processes without a shared window get what belongs together in one of them, as behind a sticky load balancer; two
that share one in Redis get copies of one fact by turns.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import redis_server
from prometheus_server import Prometheus, run_prometheus, wait_until
from provider_fixtures import fixture
from whatsapp_bench import connection, graph_answer, message, phone, status

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.backend]
PROGRAM = Path(__file__).parent / "provider_process.py"
THRICE = 3


@dataclass
class Day:
    """Commands in order, each with its owner, and the journal of the real events."""

    commands: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    journal: Counter[str] = field(default_factory=Counter)

    def hear(self, belongs_to: str, payload: Any, times: int = THRICE) -> None:
        body = json.dumps(payload)
        self.commands += [(belongs_to, {"body": body})] * times

    def send(self, number: int, who: int) -> None:
        self.commands.append((f"contact {who}", {"answer": graph_answer(number, who=who)}))
        self.journal["messages_outbound_total"] += 1


def live() -> Day:
    day, now = Day(), int(time.time())
    accept_and_fail(day, now)
    backlog(day, now)
    out_of_order(day, now)
    sessions(day)
    people(day, now)
    provider(day, now)
    nobody(day)
    return day


def accept_and_fail(day: Day, now: int) -> None:
    """A hundred are answered and accepted, of whom thirty fail later."""
    for who in range(100):
        day.hear(f"contact {who}", message(who, who=who, at=now))
        day.send(1000 + who, who)
        if who < 30:
            day.hear(f"contact {who}", status(1000 + who, "failed", who=who, at=now, code=131026))
        else:
            day.hear(f"contact {who}", status(1000 + who, "delivered", who=who, at=now))
    day.journal["messages_inbound_total"] += 100
    day.journal['messages_outbound_failed_total{stage="delivery",fault="recipient"}'] += 30
    day.journal['messages_delivered_total{status="delivered"}'] += 70
    day.journal["first_response_latency_seconds_count"] += 70


def backlog(day: Day, now: int) -> None:
    """Three hours of messages come in a minute; each contact is answered now, late."""
    for number in range(50):
        who = 200 + number
        day.hear(f"contact {who}", message(2000 + number, who=who, at=now - 10_800 + 200 * number))
        day.send(2100 + number, who)
        day.hear(f"contact {who}", status(2100 + number, "sent", who=who, at=now))
    day.journal["messages_inbound_total"] += 50
    day.journal["first_response_latency_seconds_count"] += 50
    day.journal["first_response_unanswered_total"] += 50


def out_of_order(day: Day, now: int) -> None:
    """Read before delivered, and failed after read."""
    day.send(3000, 300)
    for kind in ("read", "delivered", "failed"):
        code = 131000 if kind == "failed" else None
        day.hear("contact 300", status(3000, kind, who=300, at=now, code=code))
    day.journal['messages_delivered_total{status="read"}'] += 1
    day.journal['messages_delivered_total{status="delivered"}'] += 1


def sessions(day: Day) -> None:
    """A loss with six attempts, another session that logs out, and a QR code without a scan."""
    day.hear("session a", connection("open", session="a"))
    for attempt in range(6):
        day.hear("session a", {**connection("close", 408, session="a"), "attempt": attempt})
        day.hear("session a", {**connection("connecting", session="a"), "attempt": attempt})
    day.hear("session a", {**connection("open", session="a"), "attempt": 7})
    day.hear("session b", connection("open", session="b"))
    day.hear("session b", connection("close", 401, session="b"))
    qr = fixture("evolution", "qrcode")
    for attempt in range(10):
        day.hear("session c", {**qr, "instance": "c", "attempt": attempt})
    day.journal['whatsapp_session_disconnects_total{session="a"}'] += 1
    day.journal['whatsapp_session_disconnects_total{session="b",reason="logged_out"}'] += 1
    day.journal['whatsapp_session_disconnects_total{session="c"}'] += 0


def people(day: Day, now: int) -> None:
    """A number changes, a LID's phone becomes known, a group of two hundred, an edit, a revocation, old history."""
    changed = fixture("cloud_api", "message_system_number_changed")
    day.hear("contact 5", message(4000, who=5, at=now))
    day.hear("contact 5", changed)
    lid, known = fixture("evolution", "upsert_lid"), fixture("evolution", "upsert_lid_with_phone")
    lid["data"]["key"]["remoteJid"] = known["data"]["key"]["remoteJid"]
    lid["data"]["messageTimestamp"] = known["data"]["messageTimestamp"] = now
    for payload in (lid, known):
        payload["instance"] = "a"
        day.hear("contact 5", payload)
    group = fixture("evolution", "update_group")
    for number in range(200):
        group["data"]["participant"] = f"{phone(number)}@s.whatsapp.net"
        day.hear("group", group, times=1)
    for name in ("message_edit", "message_edit", "message_revoke"):
        day.hear("contact 1", fixture("cloud_api", name))
    history = fixture("evolution", "messages_set")
    first = history["data"][0]
    history["data"] = [{**first, "key": {**first["key"], "id": f"H{number}"}} for number in range(10_000)]
    day.hear("history", history, times=1)
    day.journal["messages_inbound_total"] += 3
    day.journal["messages_outbound_total"] += 1  # to the group
    day.journal['messages_delivered_total{status="read"}'] += 1


def provider(day: Day, now: int) -> None:
    """A template is paused, the account restricted, a call comes and ends; billed once."""
    for name in ("template_approved", "template_paused", "account_restriction_messaging"):
        payload = fixture("cloud_api", name)
        payload["entry"][0]["time"] = now
        day.hear("account", payload)
    for name in ("call_connect_user", "call_terminate_completed"):
        day.hear("account", fixture("cloud_api", name))
    billed = fixture("cloud_api", "status_sent_marketing")
    found = billed["entry"][0]["changes"][0]["value"]["statuses"][0]
    found.update({"id": "wamid.QklMTEVE", "timestamp": str(now), "recipient_id": phone(900)})
    day.hear("account", billed)
    day.journal["messages_outbound_total"] += 1
    day.journal['messages_billable_total{category="marketing"}'] += 1
    day.journal['calls_total{outcome="offered"}'] += 1
    day.journal['calls_total{outcome="completed"}'] += 1
    day.journal['whatsapp_session_disconnects_total{reason="banned"}'] += 1


def nobody(day: Day) -> None:
    """An event of tomorrow, a body cut in the middle, and one of 20 MB."""
    day.hear("nobody", fixture("evolution", "event_of_tomorrow"), times=1)
    day.commands.append(("nobody", {"body": json.dumps(message(1))[:-30]}))
    day.commands.append(("nobody", {"size": 20_000_000}))
    day.journal['webhook_events_total{event="dreams.update"}'] += 1
    day.journal['webhook_rejected_total{reason="malformed"}'] += 1
    day.journal['webhook_rejected_total{reason="too_large"}'] += 1


class Teller:
    """A process that takes one command after the other."""

    def __init__(self, metrics_url: str, *more: str) -> None:
        command = [sys.executable, str(PROGRAM), metrics_url, *more]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._wait("ready")

    def tell(self, command: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        self._wait("told")

    def end(self) -> None:
        self._process.communicate(timeout=60)
        assert self._process.returncode == 0

    def _wait(self, word: str) -> None:
        assert self._process.stdout is not None
        assert self._process.stdout.readline().strip() == word


def play(day: Day, prometheus: Prometheus, processes: int, *redis: str) -> None:
    url = f"{prometheus.url}/api/v1/otlp/v1/metrics"
    tellers = [Teller(url, *redis) for _ in range(processes)]
    places = {name: number for number, name in enumerate(dict.fromkeys(name for name, _ in day.commands))}
    for number, (belongs_to, command) in enumerate(day.commands):
        # Who waits for a reply is known to one process; every other fact may come to any that shares the window.
        by_turns = redis and not belongs_to.startswith("contact")
        tellers[(number if by_turns else places[belongs_to]) % processes].tell(command)
    for teller in tellers:
        teller.end()


def read(prometheus: Prometheus, day: Day) -> dict[str, float]:
    return {series: prometheus.value(f"sum({series})") or 0.0 for series in day.journal}


@pytest.fixture(params=["one process", "two processes", "two processes that share a window"])
def told(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Day, Prometheus]]:
    with ExitStack() as stack:
        redis: tuple[str, ...] = ()
        if "share" in request.param:
            if reason := redis_server.absent():
                pytest.skip(reason)
            redis = (stack.enter_context(redis_server.run_redis()),)
            redis_server.wait_until_it_answers(redis[0])
        prometheus = stack.enter_context(run_prometheus(tmp_path))
        day = live()
        play(day, prometheus, 1 if request.param == "one process" else 2, *redis)
        yield day, prometheus


def test_prometheus_shows_the_journals_numbers(told: tuple[Day, Prometheus]) -> None:
    day, prometheus = told
    wait_until(lambda: read(prometheus, day) == dict(day.journal), timeout_s=15)
    assert read(prometheus, day) == dict(day.journal)
    ratio = prometheus.value("sum(messages_outbound_failed_total) / sum(messages_outbound_total)")
    assert ratio == pytest.approx(30 / day.journal["messages_outbound_total"])
    assert prometheus.value('max(whatsapp_template_state{state="paused"})') == 1
    assert prometheus.value('max(whatsapp_session_state{session="100000000000111",state="restricted"})') == 1
