"""The stores of traces that ``trace`` asks, each through its own API."""

from __future__ import annotations

import base64
import json
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import quote, urlencode

from opentelemetry.proto.logs.v1.logs_pb2 import LogsData
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status, TracesData

from whatsself_otel.catalogue import CONTACT_ID, MESSAGE_ID, REQUEST_ID
from whatsself_otel.stack.store_http import get, get_json
from whatsself_otel.viewer.console_view import MessageStory
from whatsself_otel.viewer.note import Note, note_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from whatsself_otel.stack.log_stores import LogStores

_IDS: Final = (REQUEST_ID, CONTACT_ID, MESSAGE_ID)
_TRACE_ID: Final = re.compile(r"[0-9a-fA-F]{32}")
_BACK_S: Final = 7 * 86_400
_FOUND: Final = 500
"""Whoever polls for a message makes a trace each time; what began it must be among those found."""
_KINDS: Final = ("", "internal", "server", "client", "producer", "consumer")


class Source(Protocol):
    """Where a message's story can be had."""

    @property
    def name(self) -> str:
        """What to call it."""

    def find(self, wanted: str) -> list[str]:
        """Return the trace ids of any id, newest first."""

    def story(self, trace_id: str) -> MessageStory:
        """Return everything about one trace."""


@dataclass(frozen=True, slots=True)
class ViewerSource:
    """The embedded viewer."""

    url: str
    token: str = field(repr=False)
    name: str = "viewer"

    @classmethod
    def find_running(cls, *, url: str | None, token: str | None) -> ViewerSource | None:
        """Return the viewer that left a note, or the one that is named; None when there is neither."""
        note = Note.read(note_file())
        if note is not None:
            url, token = url or note.url, token or note.token
        return cls(url, token) if url and token else None

    def find(self, wanted: str) -> list[str]:
        """Ask for it."""
        found = json.loads(self._get(f"/api/find?{urlencode({'id': wanted})}"))
        return [trace["traceId"] for trace in found["traces"]]

    def story(self, trace_id: str) -> MessageStory:
        """Return spans and log records as they came."""
        data = TracesData.FromString(self._get(f"/api/traces/{trace_id}/traces.pb"))
        logs = LogsData.FromString(self._get(f"/api/traces/{trace_id}/logs.pb"))
        return MessageStory(
            trace_id=trace_id,
            spans=[span for owner in data.resource_spans for scope in owner.scope_spans for span in scope.spans],
            logs=[log for owner in logs.resource_logs for scope in owner.scope_logs for log in scope.log_records],
            points=(),
        )

    def _get(self, path: str) -> bytes:
        return get(self.name, self.url + path, {"authorization": f"Bearer {self.token}"}) or b""


@dataclass(frozen=True, slots=True)
class Tempo:
    """Tempo, with a log store beside it."""

    url: str
    logs: LogStores
    name: str = "tempo"

    def find(self, wanted: str) -> list[str]:
        """Search by TraceQL, or take the trace id at its word if it is one."""
        # A requestId looks like a trace id, and an unknown trace is an empty one.
        if _TRACE_ID.fullmatch(wanted) and self._owners(wanted.lower()):
            return [wanted.lower()]
        tests = " || ".join(f"span.{key} = {json.dumps(wanted)}" for key in _IDS)
        now_s = int(time.time())
        window = {"start": now_s - _BACK_S, "end": now_s + 60, "limit": _FOUND}
        answer = get_json(self.name, f"{self.url}/api/search?{urlencode({'q': f'{{ {tests} }}', **window})}")
        traces = sorted(answer.get("traces") or (), key=lambda trace: -int(trace.get("startTimeUnixNano", 0)))
        return [trace["traceID"].zfill(32) for trace in traces]

    def story(self, trace_id: str) -> MessageStory:
        """Return the trace, and its log lines."""
        owners = self._owners(trace_id)
        spans = [_tempo_span(span) for owner in owners for scope in owner["scopeSpans"] for span in scope["spans"]]
        return MessageStory(trace_id=trace_id, spans=spans, logs=self.logs.lines(trace_id), points=())

    def _owners(self, trace_id: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (
            get_json(self.name, f"{self.url}/api/v2/traces/{trace_id}").get("trace", {}).get("resourceSpans", [])
        )
        return found


@dataclass(frozen=True, slots=True)
class Jaeger:
    """Jaeger, with a log store beside it."""

    url: str
    logs: LogStores
    name: str = "jaeger"

    def find(self, wanted: str) -> list[str]:
        """Search every service by each tag, or take the trace id at its word if it is one."""
        if _TRACE_ID.fullmatch(wanted) and get(self.name, f"{self.url}/api/traces/{wanted.lower()}"):
            return [wanted.lower()]
        found: dict[str, int] = {}
        for service in get_json(self.name, f"{self.url}/api/services").get("data") or ():
            for key in _IDS:
                found.update(self._search(service, key, wanted))
        return sorted(found, key=lambda trace: -found[trace])

    def _search(self, service: str, key: str, wanted: str) -> Iterable[tuple[str, int]]:
        query = urlencode({"service": service, "tags": json.dumps({key: wanted}), "limit": _FOUND, "lookback": "168h"})
        for trace in get_json(self.name, f"{self.url}/api/traces?{query}").get("data") or ():
            yield trace["traceID"].zfill(32), min(span["startTime"] for span in trace["spans"])

    def story(self, trace_id: str) -> MessageStory:
        """Return the trace, and its log lines."""
        traces = get_json(self.name, f"{self.url}/api/traces/{quote(trace_id)}")["data"]
        spans = [_jaeger_span(span) for trace in traces for span in trace["spans"]]
        return MessageStory(trace_id=trace_id, spans=spans, logs=self.logs.lines(trace_id), points=())


def _tempo_span(found: dict[str, Any]) -> Span:
    status = found.get("status") or {}
    return _span(
        name=found["name"],
        ids=[base64.b64decode(found.get(key) or "") for key in ("traceId", "spanId", "parentSpanId")],
        kind=str(found.get("kind", "")).removeprefix("SPAN_KIND_").lower(),
        times_ns=(int(found["startTimeUnixNano"]), int(found["endTimeUnixNano"])),
        attributes={pair["key"]: next(iter(pair["value"].values()), "") for pair in found.get("attributes", ())},
        error=status.get("message", "") if str(status.get("code")) in {"2", "STATUS_CODE_ERROR"} else None,
    )


def _jaeger_span(found: dict[str, Any]) -> Span:
    tags = {tag["key"]: tag["value"] for tag in found["tags"]}
    parents = [link["spanID"] for link in found.get("references", ()) if link["refType"] == "CHILD_OF"]
    start_ns = found["startTime"] * 1000
    texts = (found["traceID"].zfill(32), found["spanID"], parents[0] if parents else "")
    return _span(
        name=found["operationName"],
        ids=[bytes.fromhex(text) for text in texts],
        kind=str(tags.pop("span.kind", "internal")),
        times_ns=(start_ns, start_ns + found["duration"] * 1000),
        attributes=tags,
        error=str(tags.get("otel.status_description", "")) if tags.get("error") else None,
    )


def _span(
    *,
    name: str,
    ids: list[bytes],
    kind: str,
    times_ns: tuple[int, int],
    attributes: Mapping[str, Any],
    error: str | None,
) -> Span:
    span = Span(name=name, trace_id=ids[0], span_id=ids[1], parent_span_id=ids[2])
    span.kind = _KINDS.index(kind) if kind in _KINDS else 0  # type: ignore[assignment]
    span.start_time_unix_nano, span.end_time_unix_nano = times_ns
    for key, value in attributes.items():
        span.attributes.add(key=key).value.string_value = value if isinstance(value, str) else json.dumps(value)
    if error is not None:
        span.status.CopyFrom(Status(code=Status.STATUS_CODE_ERROR, message=error))
    return span
