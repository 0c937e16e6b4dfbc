"""
Write to the demo as customers would, and keep a journal to compare the telemetry with.

    python -m whatsself_otel.demo.traffic --url http://127.0.0.1:8000 --messages 100 --failing 0.1
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

DEFAULT_URL: Final = "http://127.0.0.1:8000"
FINAL_STATUSES: Final = frozenset({"read", "failed"})
_FIRST_PHONE: Final = 5_511_900_000_000
_RETRY_PAUSE_S: Final = 0.5
_POLL_S: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficPlan:
    """
    The messages to send.

    Args:
        url: Where the demo listens.
        messages: How many inbound messages, 1 or more.
        concurrency: How many at once.
        failing: Share of contacts, 0 to 1, whose replies fail. They are spread evenly, not at random.
        body: What everybody writes; ``precos`` is answered by exactly one message.
        per_s: Inbound messages a second, or ``None`` for as fast as they are answered.
        first_contact: Number of the first contact; a second run with another number meets new people.
        settle_s: Seconds to wait for the replies to be read or to fail.
        retry_s: Seconds during which a message that was not answered is sent again, with the same external id.
    """

    url: str = DEFAULT_URL
    messages: int = 10
    concurrency: int = 8
    failing: float = 0.0
    body: str = "precos"
    per_s: float | None = None
    first_contact: int = 0
    settle_s: float = 60.0
    retry_s: float = 60.0
    run: str = field(default_factory=lambda: f"run{time.time_ns():x}")
    """Makes external ids unique to this run."""

    def fails(self, number: int) -> bool:
        """Whether the replies to message *number* are to fail."""
        return int((number + 1) * self.failing) > int(number * self.failing)

    def phone(self, number: int) -> str:
        """Return the phone that message *number* comes from; the journal never holds it."""
        return f"+{_FIRST_PHONE + self.first_contact + number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One HTTP request with its outcome."""

    started_at: float
    ended_at: float
    status: int | None = None
    """HTTP status; ``None`` if no answer came, so that whether the server counted it is unknown."""
    error: str | None = None


@dataclass(slots=True, kw_only=True)
class Entry:
    """One line of the journal: one inbound message as its sender saw it."""

    number: int
    external_id: str
    body: str
    expects_failure: bool
    attempts: list[Attempt] = field(default_factory=list)
    contact_id: str | None = None
    message_id: str | None = None
    request_id: str | None = None
    trace_id: str | None = None
    reply_ids: list[str] = field(default_factory=list)
    reply_statuses: dict[str, str] = field(default_factory=dict)
    failure_reasons: dict[str, str] = field(default_factory=dict)
    settled_at: float | None = None

    @property
    def is_accepted(self) -> bool:
        """Whether the demo took the message."""
        return self.message_id is not None

    @property
    def is_settled(self) -> bool:
        """Whether the demo took it and every reply was read or has failed."""
        return self.is_accepted and all(self.reply_statuses.get(reply) in FINAL_STATUSES for reply in self.reply_ids)


@dataclass(slots=True, kw_only=True)
class Journal:
    """The sender's own record, independent of the application."""

    entries: list[Entry] = field(default_factory=list)

    def save(self, path: Path) -> None:
        """Write one JSON object a line."""
        path.write_text("".join(json.dumps(asdict(entry)) + "\n" for entry in self.entries), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Journal:
        """Read what `save` wrote."""
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        return cls(
            entries=[Entry(**{**row, "attempts": [Attempt(**each) for each in row["attempts"]]}) for row in rows]
        )

    def summary(self) -> dict[str, int]:
        """Count the messages sent, answered and lost."""
        statuses = [status for entry in self.entries for status in entry.reply_statuses.values()]
        return {
            "messages": len(self.entries),
            "accepted": sum(entry.is_accepted for entry in self.entries),
            "settled": sum(entry.is_settled for entry in self.entries),
            "requests": sum(len(entry.attempts) for entry in self.entries),
            "unanswered_requests": sum(each.status is None for entry in self.entries for each in entry.attempts),
            "replies": sum(len(entry.reply_ids) for entry in self.entries),
            "replies_read": statuses.count("read"),
            "replies_failed": statuses.count("failed"),
        }


async def send_traffic(plan: TrafficPlan, journal: Journal | None = None) -> Journal:
    """
    Send every message of *plan*, then wait until the replies have ended.

    Args:
        plan: What to send.
        journal: Filled as it goes, so that it can be watched; default: a new one.

    Returns:
        The journal.
    """
    kept = journal if journal is not None else Journal()
    kept.entries.extend(_plan_entry(plan, number) for number in range(plan.messages))
    async with httpx.AsyncClient(base_url=plan.url, timeout=30) as client:
        await _each(kept.entries, plan.concurrency, lambda entry: _submit(client, plan, entry))
        accepted = [entry for entry in kept.entries if entry.is_accepted]
        await _each(accepted, plan.concurrency, lambda entry: _settle(client, plan, entry))
    return kept


def _plan_entry(plan: TrafficPlan, number: int) -> Entry:
    return Entry(
        number=number,
        external_id=f"{plan.run}-{number}",
        body=plan.body,
        expects_failure=plan.fails(number),
    )


async def _each(entries: Sequence[Entry], concurrency: int, act: Callable[[Entry], Awaitable[None]]) -> None:
    room = asyncio.Semaphore(concurrency)

    async def limited(entry: Entry) -> None:
        async with room:
            await act(entry)

    await asyncio.gather(*(limited(entry) for entry in entries))


async def _submit(client: httpx.AsyncClient, plan: TrafficPlan, entry: Entry) -> None:
    payload: dict[str, Any] = {
        "phone": plan.phone(entry.number),
        "name": f"Cliente {entry.number}",
        "body": plan.body,
        "externalId": entry.external_id,
    }
    if entry.expects_failure:
        payload["simulateFailure"] = "timeout"
    if plan.per_s:
        await asyncio.sleep(plan.concurrency / plan.per_s)
    deadline = time.monotonic() + plan.retry_s
    while not await _post(client, payload, entry) and time.monotonic() < deadline:  # noqa: ASYNC110 - asks a server
        await asyncio.sleep(_RETRY_PAUSE_S)


async def _post(client: httpx.AsyncClient, payload: dict[str, Any], entry: Entry) -> bool:
    started_at = time.time()
    try:
        response = await client.post("/webhook/messages", json=payload)
    except httpx.TransportError as error:
        lost = Attempt(started_at=started_at, ended_at=time.time(), error=type(error).__name__)
        entry.attempts.append(lost)
        return False
    entry.attempts.append(Attempt(started_at=started_at, ended_at=time.time(), status=response.status_code))
    if not response.is_success:
        return False
    _note_ids(entry, response)
    return True


def _note_ids(entry: Entry, response: httpx.Response) -> None:
    answer = response.json()
    entry.contact_id, entry.message_id = answer["contactId"], answer["messageId"]
    entry.request_id, entry.reply_ids = answer["requestId"], answer["replyIds"]
    entry.trace_id = trace_id_of(response)


def trace_id_of(response: httpx.Response) -> str | None:
    """Return the trace id that the answer's ``traceresponse`` header names."""
    parts = response.headers.get("traceresponse", "").split("-")
    return parts[1] if len(parts) == 4 else None


async def _settle(client: httpx.AsyncClient, plan: TrafficPlan, entry: Entry) -> None:
    deadline = time.monotonic() + plan.settle_s
    while not await _look(client, entry) and time.monotonic() < deadline:  # noqa: ASYNC110 - asks a server
        await asyncio.sleep(_POLL_S)


async def _look(client: httpx.AsyncClient, entry: Entry) -> bool:
    try:
        response = await client.get(f"/api/messages/{entry.message_id}")
    except httpx.TransportError:
        return False
    if response.is_success:
        _note_replies(entry, response.json()["replies"])
    if entry.is_settled:
        entry.settled_at = time.time()
    return entry.is_settled


def _note_replies(entry: Entry, replies: Iterable[dict[str, Any]]) -> None:
    for reply in replies:
        entry.reply_statuses[reply["messageId"]] = reply["status"]
        if reply["failureReason"]:
            entry.failure_reasons[reply["messageId"]] = reply["failureReason"]


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m whatsself_otel.demo.traffic", description=__doc__)
    parser.add_argument("--url", default=DEFAULT_URL, help="where the demo listens (default: %(default)s)")
    parser.add_argument("--messages", type=int, default=10, help="inbound messages (default: %(default)s)")
    parser.add_argument("--concurrency", type=int, default=8, help="messages at once (default: %(default)s)")
    parser.add_argument("--failing", type=float, default=0.0, help="share whose replies fail, 0 to 1")
    parser.add_argument("--body", default="precos", help="what everybody writes (default: %(default)s)")
    parser.add_argument("--per-second", type=float, default=None, help="pace (default: as fast as answered)")
    parser.add_argument("--first-contact", type=int, default=0, help="number of the first contact")
    parser.add_argument("--settle", type=float, default=60.0, help="seconds to wait for replies (default: %(default)s)")
    parser.add_argument("--retry", type=float, default=60.0, help="seconds to repeat what was not answered")
    parser.add_argument("--journal", type=Path, default=None, help="file to write the journal to, JSON lines")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Send traffic as the command line says; 1 if a message was lost or did not settle."""
    options = _parse(arguments)
    plan = TrafficPlan(
        url=options.url,
        messages=options.messages,
        concurrency=options.concurrency,
        failing=options.failing,
        body=options.body,
        per_s=options.per_second,
        first_contact=options.first_contact,
        settle_s=options.settle,
        retry_s=options.retry,
    )
    journal = asyncio.run(send_traffic(plan))
    if options.journal:
        journal.save(options.journal)
    summary = journal.summary()
    sys.stdout.write(json.dumps(summary) + "\n")
    return 0 if summary["settled"] == summary["messages"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
