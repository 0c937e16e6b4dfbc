"""The demo with real backends: send a message, then ask each backend for it."""

from __future__ import annotations

import contextlib
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

import httpx

from whatsself_otel.cli.demo_app import demo_app, send
from whatsself_otel.cli.progress import busy
from whatsself_otel.cli.stack import Running
from whatsself_otel.cli.terminal import print_json, say, show
from whatsself_otel.language import translated
from whatsself_otel.stack import containers
from whatsself_otel.stack.addresses import Addresses
from whatsself_otel.stack.errors import FAILED
from whatsself_otel.stack.links import links, table
from whatsself_otel.stack.native_stack import Stack
from whatsself_otel.stack.paths import data_dir
from whatsself_otel.viewer.console_view import Paint

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from whatsself_otel.cli.demo import Choice
    from whatsself_otel.demo.traffic import Entry

_PATIENCE_S: Final = 60.0
"""Seconds a backend may take to show the message."""
_PAUSE_S: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveStack:
    """A stack that answers."""

    addresses: Addresses
    programs: tuple[str, ...]
    started_here: bool
    """Whether it ends with this command."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question to one backend about one trace."""

    signal: str
    program: str
    what: str
    """Things to count: spans, log lines or exemplars."""
    url: str
    count: Callable[[Any, Collection[str]], int]
    """Counts in the answer what belongs to the traces."""
    page: str | None = None
    """The same for people, where the program has pages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One backend's answer about the message."""

    question: Question
    found: int

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        asked = self.question
        return {
            "signal": asked.signal,
            "program": asked.program,
            "what": asked.what,
            "found": self.found,
            "url": asked.url,
            "page": asked.page,
        }


def run_stack(arguments: argparse.Namespace, choice: Choice) -> int:
    """Send the messages and show what each backend answers; failed if one knows nothing of the first message."""
    tell: Callable[[str], None] = (lambda _line: None) if arguments.json else say
    with _stack(choice, tell) as stack:
        started = time.time()
        with demo_app(stack.addresses.otlp_http) as app:
            journal = send(app, arguments.messages)
        entry = journal.entries[0]
        with busy("Waiting until every backend has it"):
            replies = ask(stack, [each.trace_id or "" for each in journal.entries], since=started)
        if arguments.json:
            print_json("demo", stack=choice.stack, **_ids(entry), answers=[reply.as_json() for reply in replies])
        else:
            _show(stack, entry, replies)
            _hold(stack)
    return 0 if all(reply.found for reply in replies) else FAILED


@contextlib.contextmanager
def _stack(choice: Choice, say: Callable[[str], None]) -> Iterator[LiveStack]:
    with _containers() if choice.stack == "docker" else _programs(say) as stack:
        yield stack


@contextlib.contextmanager
def _programs(say: Callable[[str], None]) -> Iterator[LiveStack]:
    running = Running.read(data_dir())
    if running is not None:
        addresses = Addresses(ports=running.ports)
        yield LiveStack(addresses=addresses, programs=tuple(running.ready_urls), started_here=False)
        return
    with Stack(say=say) as stack:
        yield LiveStack(addresses=stack.addresses, programs=tuple(stack.processes), started_here=True)


@contextlib.contextmanager
def _containers() -> Iterator[LiveStack]:
    addresses = containers.running()
    if addresses is not None:
        yield LiveStack(addresses=addresses, programs=containers.PROGRAMS, started_here=False)
        return
    try:
        yield LiveStack(addresses=containers.start(), programs=containers.PROGRAMS, started_here=True)
    finally:
        containers.stop()


def ask(stack: LiveStack, trace_ids: Sequence[str], *, since: float) -> list[Answer]:
    """
    Ask every backend of *stack* about the first of *trace_ids*, each until it knows everything or patience ends.

    Args:
        stack: Where to ask.
        trace_ids: Traces of every message that was sent: a series keeps an exemplar of only some of them.
        since: Seconds since the epoch when sending began.
    """
    with httpx.Client(trust_env=False, timeout=10) as client:
        return [
            Answer(question=question, found=_settled(client, question, trace_ids))
            for question in questions(stack.addresses, trace_ids[0], since=since)
            if question.program in stack.programs
        ]


def questions(at: Addresses, trace_id: str, *, since: float) -> list[Question]:
    """Return the questions to all possible backends about one trace."""
    start, end = int(since) - 60, int(since) + 3600
    logs = {"query": f'{{service_name="whatsself"}} | trace_id="{trace_id}"', "limit": "1000"}
    logs |= {"start": f"{start}000000000", "end": f"{end}000000000"}
    exemplars = {"query": "messages_inbound_total", "start": str(start), "end": str(end)}
    return [
        Question(
            signal="traces", program="tempo", what="spans", url=f"{at.tempo}/api/traces/{trace_id}", count=_count_tempo
        ),
        Question(
            signal="traces",
            program="jaeger",
            what="spans",
            url=f"{at.jaeger}/api/traces/{trace_id}",
            count=_count_jaeger,
        ),
        Question(
            signal="logs",
            program="loki",
            what="log lines",
            url=f"{at.loki}/loki/api/v1/query_range?{urlencode(logs)}",
            count=_count_loki,
        ),
        Question(
            signal="logs",
            program="victorialogs",
            what="log lines",
            url=f"{at.victorialogs}/select/logsql/query?"
            + urlencode({"query": f'trace_id:="{trace_id}" | stats count() lines', "start": start, "end": end}),
            count=_count_victorialogs,
        ),
        Question(
            signal="metrics",
            program="prometheus",
            what="exemplars of messages_inbound_total that lead to what was sent",
            url=f"{at.prometheus}/api/v1/query_exemplars?{urlencode(exemplars)}",
            count=_count_exemplars,
            page=f"{at.prometheus}/query?{urlencode({'g0.expr': 'messages_outbound_total'})}",
        ),
    ]


def _settled(client: httpx.Client, question: Question, trace_ids: Collection[str]) -> int:
    """Return the count once it is above zero and no longer grows."""
    deadline, before = time.monotonic() + _PATIENCE_S, 0
    while time.monotonic() < deadline:
        now = _found(client, question, trace_ids)
        if now and now == before:
            return now
        before = now
        time.sleep(_PAUSE_S)
    return before


def _found(client: httpx.Client, question: Question, trace_ids: Collection[str]) -> int:
    # A backend that has not seen the trace yet answers 404, one that is busy 5xx or nothing.
    try:
        answer = client.get(question.url, headers={"accept": "application/json"}).raise_for_status().json()
        return question.count(answer, trace_ids)
    except (httpx.HTTPError, ValueError, LookupError):
        return 0


def _count_tempo(answer: Any, _trace_ids: Collection[str]) -> int:
    scopes = _flatten(batch["scopeSpans"] for batch in answer["batches"])
    return sum(len(scope["spans"]) for scope in scopes)


def _count_jaeger(answer: Any, _trace_ids: Collection[str]) -> int:
    return sum(len(trace["spans"]) for trace in answer["data"])


def _count_loki(answer: Any, _trace_ids: Collection[str]) -> int:
    return sum(len(stream["values"]) for stream in answer["data"]["result"])


def _count_victorialogs(answer: Any, _trace_ids: Collection[str]) -> int:
    return int(answer["lines"])


def _count_exemplars(answer: Any, trace_ids: Collection[str]) -> int:
    exemplars = _flatten(series["exemplars"] for series in answer["data"])
    return sum(exemplar["labels"].get("trace_id") in trace_ids for exemplar in exemplars)


def _flatten(lists: Iterable[list[dict[str, Any]]]) -> Iterator[dict[str, Any]]:
    return (item for each in lists for item in each)


def _ids(entry: Entry) -> dict[str, Any]:
    return {
        "traceId": entry.trace_id,
        "requestId": entry.request_id,
        "contactId": entry.contact_id,
        "messageId": entry.message_id,
        "replyIds": entry.reply_ids,
    }


def _show(stack: LiveStack, entry: Entry, replies: list[Answer]) -> None:
    paint = Paint.for_stream(sys.stdout)
    say("", "The message, as its sender saw it:")
    for key, value in _ids(entry).items():
        show(f"  {key:<10} {paint.cyan(', '.join(value) if isinstance(value, list) else str(value))}")
    say("", "What the backends know about it:")
    for reply in replies:
        asked = reply.question
        found = (paint.green if reply.found else paint.red)(f"{reply.found} {translated(asked.what)}")
        command = f'curl -s "{asked.url}"'
        show(f"  {translated(asked.signal):<8} {asked.program:<11} {found}\n  {'':<8} {paint.dim(command)}")
        if asked.page:
            show(f"  {'':<8} {asked.page}")
    say("", "Where to look further:")
    show(table(stack.addresses, links(stack.addresses, stack.programs, message_id=entry.message_id or "")))


def _hold(stack: LiveStack) -> None:
    if not (stack.started_here and sys.stdout.isatty()):
        return
    say("", "The stack runs until Ctrl-C.")
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            time.sleep(1)
    say("Stopping ...")
