"""The stores of the real stack behind the viewer's page."""

from __future__ import annotations

import hashlib
import re
import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from whatsself_otel.stack.log_stores import LogSearch
from whatsself_otel.viewer.own_source import OwnSource
from whatsself_otel.viewer.query import Looked, Span
from whatsself_otel.viewer.reaching import FRESH_S, Reach, Reaches, Window
from whatsself_otel.viewer.receiver import Receiver
from whatsself_otel.viewer.trace_stores import FoundTrace, as_resource
from whatsself_otel.whatsapp.references import as_message_ref

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping, Sequence

    from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, LogsData
    from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

    from whatsself_otel.stack.log_stores import SearchedLogStore
    from whatsself_otel.viewer.query import LogQuery, Page, TraceQuery
    from whatsself_otel.viewer.series import MetricSource
    from whatsself_otel.viewer.store import Store
    from whatsself_otel.viewer.trace_stores import TraceStore

BACK_S: Final = 7 * 86_400.0
"""How far back "everything" reaches."""
_TRACES: Final = 200
"""In one step, of each service."""
_LINES: Final = 2_000
_LINE_STEPS: Final = 5
"""So many times as many lines are asked for in one step, at most."""
_KNOWN_LINES: Final = 400_000
_OWN: Final = re.compile(r"_.*|trace_id|span_id|severity_.*|scope[._].*|flags|observed_timestamp|detected_level|level")
_RESOURCE: Final = re.compile(r"(service|telemetry|deployment|host|process|os|container|k8s)[._].*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Backends:
    """The stores of one stack."""

    traces: TraceStore
    logs: SearchedLogStore
    metrics: MetricSource


class StackSource(OwnSource):
    """
    The stores of the real stack.

    What they answer goes through a store of the viewer's own, which narrows down, sorts and sums it up: one
    implementation for all of them.

    Args:
        backends: Whom to ask.
        store: Empty; holds what was asked for.
    """

    name = "stack"

    def __init__(self, backends: Backends, store: Store) -> None:
        super().__init__(store)
        self.metrics = backends.metrics
        self._backends = backends
        self._receiver = Receiver(store)
        self._reaches = Reaches(store.is_nearly_full)
        self._lines: dict[bytes, None] = {}
        self._lock = threading.RLock()

    @property
    def version(self) -> int:
        """Changes as long as time goes on: something may have arrived."""
        return int(time.time() // FRESH_S)

    def traces(self, query: TraceQuery) -> Page:
        """Return the traces that *query* asks for, as far back as the stores were looked through."""
        reach, from_s = self._fetch(query)
        page = super().traces(query)
        if reach.oldest_s <= from_s or (page.is_cut and query.sort == "newest"):
            return page
        return replace(page, looked=Looked(traces=reach.traces, back_to_s=reach.oldest_s, is_full=reach.is_full))

    def traffic(self, query: TraceQuery) -> dict[str, Any]:
        """Return when there were how many of them, and how long they took."""
        reach, from_s = self._fetch(query)
        return {**super().traffic(query), "is_cut": reach.oldest_s > from_s}

    def find(self, value: str) -> list[dict[str, Any]]:
        """Return the traces that have the id *value*, newest first."""
        store = self._backends.traces
        ids = store.find(value) or store.find(as_message_ref(value))
        self._keep(self._told(ids))
        return super().find(value)

    def trace(self, trace_id: str) -> dict[str, Any] | None:
        """Return one trace with its log lines; None when it is unknown."""
        self._fetch_trace(trace_id)
        return super().trace(trace_id)

    def raw(self, trace_id: str) -> tuple[TracesData, LogsData]:
        """Return one trace and its log lines, as the stores tell them."""
        self._fetch_trace(trace_id)
        return super().raw(trace_id)

    def logs(self, query: LogQuery) -> Page:
        """Return the log lines that *query* asks for."""
        from_s, to_s = _bounds(query.span)
        wanted = LogSearch(
            from_s=from_s,
            to_s=to_s,
            text=query.text,
            severity=query.severity,
            service=query.service,
            fields=dict(query.fields),
            limit=query.limit + 1,
        )
        self._keep_lines(self._backends.logs.search(wanted))
        return super().logs(query)

    def usage(self) -> None:
        """Return nothing: the stack's own dashboards tell how full its stores are."""
        return

    def _fetch(self, query: TraceQuery) -> tuple[Reach, float]:
        """Look through the stores for what *query* is about; return how far that reached, and how far it could."""
        from_s, to_s = _bounds(query.span)
        tags = _tags(query)

        def step(since_s: float, until_s: float) -> tuple[float, int]:
            if query.text and until_s == to_s:
                self._keep_lines(self._fetch_text(query.text, since_s, until_s))
            return self._fetch_step(since_s, until_s, tags)

        def is_enough(reach: Reach) -> bool:
            if query.sort != "newest" or reach.oldest_s >= to_s:
                return False
            return OwnSource.traces(self, replace(query, span=Span(from_s=reach.oldest_s, to_s=to_s))).is_cut

        key = (tuple(tags.items()), query.text, _window_key(query.span, from_s, to_s))
        with self._lock:
            if self._store.is_nearly_full():
                self._forget()
            reach = self._reaches.extend(
                Window(key=key, from_s=from_s, to_s=to_s, most=max(query.reach, query.limit)), step, is_enough
            )
        return reach, from_s

    def _forget(self) -> None:
        self._store.clear()
        self._reaches.forget()
        self._lines.clear()

    def _fetch_step(self, from_s: float, to_s: float, tags: Mapping[str, str]) -> tuple[float, int]:
        """Keep the newest traces of a window and their lines; return back to when these are all, and how many."""
        found = self._backends.traces.search(from_s, to_s, tags, _TRACES)
        if found.since_s > to_s - 1.0 and found.since_s > from_s:  # a busy second
            found = self._backends.traces.search(from_s, to_s, tags, 5 * _TRACES)
        self._keep([*found.traces, *self._told(found.ids)])
        self._keep_lines(self._lines_of(found.since_s, to_s, steps=1 if tags else _LINE_STEPS))
        return found.since_s, len(found.traces) + len(found.ids)

    def _lines_of(self, from_s: float, to_s: float, *, text: str = "", steps: int) -> list[LogRecord]:
        """Return the newest lines of a window, in so many steps."""
        found: list[LogRecord] = []
        for _ in range(steps):
            lines = list(self._backends.logs.search(LogSearch(from_s=from_s, to_s=to_s, text=text, limit=_LINES)))
            found += lines
            oldest_s = min((line.time_unix_nano for line in lines), default=0) / 1e9
            if len(lines) < _LINES or oldest_s >= to_s:
                break
            to_s = oldest_s
        return found

    def _fetch_text(self, text: str, from_s: float, to_s: float) -> list[LogRecord]:
        """Keep the traces of the newest lines that hold *text*, wherever in the window; return the lines."""
        lines = self._lines_of(from_s, to_s, text=text, steps=1)
        ids = list(dict.fromkeys(line.trace_id.hex() for line in lines if line.trace_id))[: _LINE_STEPS * _TRACES]
        for first in range(0, len(ids), _TRACES):
            self._keep(self._told(ids[first : first + _TRACES]))
        return lines

    def _fetch_trace(self, trace_id: str) -> None:
        if re.fullmatch(r"[0-9a-f]{32}", trace_id):
            found = self._backends.traces.trace(trace_id)
            self._keep([found] if found else [])
            self._keep_lines(self._backends.logs.lines(trace_id))

    def _told(self, trace_ids: Sequence[str]) -> Sequence[FoundTrace]:
        return self._backends.traces.traces(trace_ids) if trace_ids else ()

    def _keep(self, found: Iterable[FoundTrace]) -> None:
        for trace in found:
            known = self._store.read("SELECT spans FROM traces WHERE trace_id = ?", (trace.trace_id,))
            if not known or known[0][0] != len(trace.spans):
                self._receiver.keep("traces", trace.export())

    def _keep_lines(self, records: Iterable[LogRecord]) -> None:
        request = ExportLogsServiceRequest()
        with self._lock:
            self._add_new(request, records)
        if request.resource_logs:
            self._receiver.keep("logs", request)

    def _add_new(self, request: ExportLogsServiceRequest, records: Iterable[LogRecord]) -> None:
        for record in records:
            mark = hashlib.blake2b(record.SerializeToString(deterministic=True), digest_size=12).digest()
            if mark in self._lines:
                continue
            self._lines[mark] = None
            owner = request.resource_logs.add()
            _split(record, owner)
        while len(self._lines) > _KNOWN_LINES:
            del self._lines[next(iter(self._lines))]


def _split(record: LogRecord, owner: Any) -> None:
    """Put *record* under *owner*, with resource and scope taken out of its flat fields."""
    fields = {pair.key: pair.value.string_value for pair in record.attributes}
    del record.attributes[:]
    resource = {key.replace("service_name", "service.name"): each for key, each in fields.items() if _is_resource(key)}
    owner.resource.CopyFrom(as_resource(resource))
    scope = owner.scope_logs.add()
    scope.scope.name = fields.get("scope.name") or fields.get("scope_name") or ""
    for key, value in fields.items():
        if not (_OWN.fullmatch(key) or _is_resource(key)):
            record.attributes.add(key=key).value.string_value = value
    scope.log_records.append(record)


def _is_resource(key: str) -> bool:
    return _RESOURCE.fullmatch(key) is not None


def _bounds(span: Span) -> tuple[float, float]:
    now_s = time.time()
    from_s = span.from_s if span.from_s is not None else now_s - BACK_S
    return from_s, span.to_s if span.to_s is not None else now_s + 60


def _window_key(span: Span, from_s: float, to_s: float) -> Hashable:
    """Return a key that stays the same for a window that moves with time."""
    return round(to_s - from_s, -1) if span.to_s is None else (from_s, to_s)


def _tags(query: TraceQuery) -> Mapping[str, str]:
    """Return the tags of one span to ask the store for: failures are rare, and lie behind much traffic."""
    if reason := query.columns.get("reason"):
        return {"error.type": reason}
    if query.columns.get("outcome") == "failed" or query.which == "errors":
        return {"error": "true"}
    for name, value in query.fields:
        if name != "service":
            return {"http.route" if name == "route" else name: value}
    return {}
