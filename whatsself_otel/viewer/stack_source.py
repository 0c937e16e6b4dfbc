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
from whatsself_otel.viewer.query import MOST_LISTED
from whatsself_otel.viewer.receiver import Receiver
from whatsself_otel.viewer.trace_stores import FoundTrace, as_resource
from whatsself_otel.whatsapp.references import as_message_ref

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping, Sequence

    from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, LogsData
    from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

    from whatsself_otel.stack.log_stores import SearchedLogStore
    from whatsself_otel.viewer.query import LogQuery, Page, Span, TraceQuery
    from whatsself_otel.viewer.series import MetricSource
    from whatsself_otel.viewer.store import Store
    from whatsself_otel.viewer.trace_stores import TraceStore

BACK_S: Final = 7 * 86_400.0
"""How far back "everything" reaches."""
_FRESH_S: Final = 8.0
"""What was asked this long ago is not asked again."""
_TRACES: Final = 200
"""Of each service, the newest; more only where a list asks for more."""
_LINES: Final = 2_000
_KNOWN_LINES: Final = 400_000
_TEXT_TRACES: Final = 200
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
        self._asked_s: dict[Hashable, float] = {}
        self._cut: dict[Hashable, bool] = {}
        self._lines: dict[bytes, None] = {}
        self._lock = threading.RLock()

    @property
    def version(self) -> int:
        """Changes as long as time goes on: something may have arrived."""
        return int(time.time() // _FRESH_S)

    def traces(self, query: TraceQuery) -> Page:
        """Return the traces that *query* asks for, of the newest that the store tells."""
        is_cut = self._fetch(query)
        page = super().traces(query)
        return replace(page, said=("newest",)) if is_cut else page

    def traffic(self, query: TraceQuery) -> dict[str, Any]:
        """Return when there were how many of them, and how long they took."""
        is_cut = self._fetch(query)
        return {**super().traffic(query), "is_cut": is_cut}

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

    def _fetch(self, query: TraceQuery) -> bool:
        """Ask the stores for what *query* is about; return whether there is more than they were asked for."""
        from_s, to_s = _bounds(query.span)
        limit = min(MOST_LISTED, max(_TRACES, query.limit))
        tags = _tags(query)
        key = (round(from_s / _FRESH_S), round(to_s / _FRESH_S), tuple(tags.items()), query.text, limit)
        with self._lock:
            if time.monotonic() - self._asked_s.get(key, -_FRESH_S) < _FRESH_S:
                return self._cut[key]
            found = list(self._backends.traces.search(from_s, to_s, tags, limit))
            is_cut = len(found) >= limit
            ids = [each for each in found if isinstance(each, str)]
            self._keep([*(each for each in found if isinstance(each, FoundTrace)), *self._told(ids)])
            lines = list(self._backends.logs.search(LogSearch(from_s=from_s, to_s=to_s, limit=_LINES)))
            if query.text:
                lines += self._fetch_text(query.text, from_s, to_s)
            self._keep_lines(lines)
            self._note(key, is_cut=is_cut)
        return is_cut

    def _fetch_text(self, text: str, from_s: float, to_s: float) -> list[LogRecord]:
        """Ask for what has *text* in a log line, or as an id; return the lines."""
        lines = list(self._backends.logs.search(LogSearch(from_s=from_s, to_s=to_s, text=text, limit=_LINES)))
        ids = dict.fromkeys(line.trace_id.hex() for line in lines if line.trace_id)
        self._keep(self._told([*ids][:_TEXT_TRACES]))
        return lines

    def _fetch_trace(self, trace_id: str) -> None:
        if re.fullmatch(r"[0-9a-f]{32}", trace_id):
            found = self._backends.traces.trace(trace_id)
            self._keep([found] if found else [])
            self._keep_lines(self._backends.logs.lines(trace_id))

    def _told(self, trace_ids: Sequence[str]) -> Sequence[FoundTrace]:
        return self._backends.traces.traces(trace_ids) if trace_ids else ()

    def _note(self, key: Hashable, *, is_cut: bool) -> None:
        now_s = time.monotonic()
        for old in [each for each, at_s in self._asked_s.items() if now_s - at_s >= _FRESH_S]:
            del self._asked_s[old], self._cut[old]
        self._asked_s[key], self._cut[key] = now_s, is_cut

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
    """Put *record* under *owner* with what is its own; the stores tell it as one flat row."""
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


def _tags(query: TraceQuery) -> Mapping[str, str]:
    """Return what one span must have: what fails is rare, and must be found behind all that works."""
    if reason := query.columns.get("reason"):
        return {"error.type": reason}
    if query.columns.get("outcome") == "failed" or query.which == "errors":
        return {"error": "true"}
    for name, value in query.fields:
        if name != "service":
            return {"http.route" if name == "route" else name: value}
    return {}
