"""The stores of traces of the real stack, each asked through its own API, answering in OTLP."""

from __future__ import annotations

import base64
import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import quote, urlencode

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from whatsself_otel.stack.store_http import get, get_json
from whatsself_otel.viewer.fields import IDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from opentelemetry.proto.common.v1.common_pb2 import KeyValue

_TRACE_ID: Final = re.compile(r"[0-9a-fA-F]{32}")
_BACK_S: Final = 7 * 86_400
_FOUND: Final = 500
"""Whoever polls for a message makes a trace each time; what began it must be among those found."""
_KINDS: Final = ("", "internal", "server", "client", "producer", "consumer")
_AT_ONCE: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundTrace:
    """One trace from a store."""

    trace_id: str
    spans: Sequence[tuple[Mapping[str, Any], str, Span]]
    """Attributes of the resource, name of the scope, span."""

    def export(self) -> ExportTraceServiceRequest:
        """Return it as an application would have sent it."""
        request = ExportTraceServiceRequest()
        for resource, scope, span in self.spans:
            owner = request.resource_spans.add(resource=as_resource(resource))
            lines = owner.scope_spans.add()
            lines.scope.name = scope
            lines.spans.append(span)
        return request


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundTraces:
    """The newest traces of a window of time."""

    since_s: float
    """Unix time: the store gave every trace that was active from then on; the window's begin if it gave all."""
    traces: Sequence[FoundTrace] = ()
    ids: Sequence[str] = ()
    """Trace ids, from a store that returns only these."""


class TraceStore(Protocol):
    """Where traces are kept."""

    @property
    def name(self) -> str:
        """What to call it."""

    def find(self, wanted: str) -> list[str]:
        """Return the trace ids of any id, newest first."""

    def search(self, from_s: float, to_s: float, tags: Mapping[str, str], limit: int) -> FoundTraces:
        """
        Return the newest traces that have a span with all *tags*, and how far back they reach.

        Args:
            from_s: Unix time from which on a trace begins.
            to_s: Unix time until which.
            tags: Attributes of one span; ``error`` stands for its status.
            limit: How many at most, of each service.
        """

    def trace(self, trace_id: str) -> FoundTrace | None:
        """Return one trace; None if it is unknown."""

    def traces(self, trace_ids: Sequence[str]) -> list[FoundTrace]:
        """Return those that are known."""


@dataclass(frozen=True, slots=True)
class Tempo:
    """Tempo, asked in TraceQL."""

    url: str
    name: str = "tempo"

    def find(self, wanted: str) -> list[str]:
        """Search by TraceQL, or take the trace id at its word if it is one."""
        # A requestId looks like a trace id, and an unknown trace is an empty one.
        if _TRACE_ID.fullmatch(wanted) and self.trace(wanted.lower()):
            return [wanted.lower()]
        now_s = time.time()
        tests = " || ".join(f"span.{key} = {json.dumps(wanted)}" for key in IDS)
        return [trace for trace, _ in self._ids(tests, now_s - _BACK_S, now_s + 60, _FOUND)]

    def search(self, from_s: float, to_s: float, tags: Mapping[str, str], limit: int) -> FoundTraces:
        """Return the newest traces; see `TraceStore`."""
        tests = [_traceql(key, value) for key, value in tags.items() if key != "error"]
        tests += ["status = error"] if "error" in tags else []
        found = self._ids(" && ".join(tests), from_s, to_s, limit)
        since_s = from_s if len(found) < limit else max(from_s, min(start_s for _, start_s in found))
        return FoundTraces(since_s=since_s, ids=[trace for trace, _ in found])

    def trace(self, trace_id: str) -> FoundTrace | None:
        """Return one trace; None if it is unknown."""
        answer = get_json(self.name, f"{self.url}/api/v2/traces/{quote(trace_id)}")
        owners = (answer.get("trace") or {}).get("resourceSpans") or []
        spans = [
            (_tempo_values(owner.get("resource") or {}), (scope.get("scope") or {}).get("name", ""), _tempo_span(span))
            for owner in owners
            for scope in owner["scopeSpans"]
            for span in scope["spans"]
        ]
        return FoundTrace(trace_id=trace_id, spans=spans) if spans else None

    def traces(self, trace_ids: Sequence[str]) -> list[FoundTrace]:
        """Return those that are known."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return [found for found in pool.map(self.trace, trace_ids) if found]

    def _ids(self, tests: str, from_s: float, to_s: float, limit: int) -> list[tuple[str, float]]:
        """Return ids and when each began. Without its hint Tempo gives any traces of the window, not the newest."""
        asked = {
            "q": f"{{ {tests} }} with (most_recent=true)",
            "start": int(from_s),
            "end": int(to_s) + 1,
            "limit": limit,
        }
        answer = get_json(self.name, f"{self.url}/api/search?{urlencode(asked)}")
        traces = sorted(answer.get("traces") or (), key=lambda trace: -int(trace.get("startTimeUnixNano", 0)))
        return [(trace["traceID"].zfill(32), int(trace.get("startTimeUnixNano", 0)) / 1e9) for trace in traces]


@dataclass(frozen=True, slots=True)
class Jaeger:
    """Jaeger, asked for each of its services."""

    url: str
    name: str = "jaeger"

    def find(self, wanted: str) -> list[str]:
        """Search every service by each tag, or take the trace id at its word if it is one."""
        if _TRACE_ID.fullmatch(wanted) and get(self.name, f"{self.url}/api/traces/{wanted.lower()}"):
            return [wanted.lower()]
        now_s, found = time.time(), dict[str, int]()
        for key in IDS:
            for trace in self.search(now_s - _BACK_S, now_s + 60, {key: wanted}, _FOUND).traces:
                found[trace.trace_id] = min(span.start_time_unix_nano for _, _, span in trace.spans)
        return sorted(found, key=lambda trace: -found[trace])

    def search(self, from_s: float, to_s: float, tags: Mapping[str, str], limit: int) -> FoundTraces:
        """Return the newest traces; see `TraceStore`."""
        asked = {"start": int(from_s * 1e6), "end": int(to_s * 1e6), "limit": limit}
        found: dict[str, FoundTrace] = {}
        since_s = from_s
        for service in get_json(self.name, f"{self.url}/api/services").get("data") or ():
            words = {"service": service, **asked, **({"tags": json.dumps(dict(tags))} if tags else {})}
            of_service = list(self._asked(urlencode(words)))
            found.update({trace.trace_id: trace for trace in of_service})
            if len(of_service) >= limit:
                since_s = max(since_s, min(_active_s(trace, to_s) for trace in of_service))
        return FoundTraces(since_s=since_s, traces=list(found.values()))

    def trace(self, trace_id: str) -> FoundTrace | None:
        """Return one trace; None if it is unknown."""
        answer = get_json(self.name, f"{self.url}/api/traces/{quote(trace_id)}")
        return next((_jaeger_trace(trace) for trace in answer.get("data") or ()), None)

    def traces(self, trace_ids: Sequence[str]) -> list[FoundTrace]:
        """Return those that are known."""
        return list(self._asked(urlencode([("traceID", each) for each in trace_ids]))) if trace_ids else []

    def _asked(self, query: str) -> Iterable[FoundTrace]:
        for trace in get_json(self.name, f"{self.url}/api/traces?{query}").get("data") or ():
            yield _jaeger_trace(trace)


def _active_s(trace: FoundTrace, to_s: float) -> float:
    """Return when the newest of its spans that began by *to_s* did so: a long trace does not reach back for others."""
    starts = [span.start_time_unix_nano / 1e9 for _, _, span in trace.spans]
    return max((each for each in starts if each <= to_s), default=min(starts))


def _traceql(key: str, value: str) -> str:
    """Return the test for an attribute, whose value may be text or a number: TraceQL keeps them apart."""
    name = f"span.{key}" if re.fullmatch(r"[\w.]+", key) else f"span.{json.dumps(key)}"
    test = f"{name} = {json.dumps(value)}"
    return f"({test} || {name} = {value})" if re.fullmatch(r"\d{1,15}", value) else test


def as_resource(values: Mapping[str, Any]) -> Resource:
    """Return a resource with these attributes."""
    resource = Resource()
    for key, value in values.items():
        put(resource.attributes.add(key=key), value)
    return resource


def put(pair: KeyValue, value: Any) -> None:
    """Give *pair* its value; lists and maps become JSON."""
    if isinstance(value, bool):
        pair.value.bool_value = value
    elif isinstance(value, int) and abs(value) < 2**63:
        pair.value.int_value = value
    elif isinstance(value, float):
        pair.value.double_value = value
    else:
        pair.value.string_value = value if isinstance(value, str) else json.dumps(value)


def _tempo_values(owner: Mapping[str, Any]) -> dict[str, Any]:
    found = {}
    for pair in owner.get("attributes", ()):
        ((kind, value),) = list(pair["value"].items())[:1] or [("", "")]
        found[pair["key"]] = int(value) if kind == "intValue" else value
    return found


def _tempo_span(found: dict[str, Any]) -> Span:
    status = found.get("status") or {}
    return _span(
        name=found["name"],
        ids=[base64.b64decode(found.get(key) or "") for key in ("traceId", "spanId", "parentSpanId")],
        kind=str(found.get("kind", "")).removeprefix("SPAN_KIND_").lower(),
        times_ns=(int(found["startTimeUnixNano"]), int(found["endTimeUnixNano"])),
        attributes=_tempo_values(found),
        error=status.get("message", "") if str(status.get("code")) in {"2", "STATUS_CODE_ERROR"} else None,
    )


def _jaeger_trace(found: dict[str, Any]) -> FoundTrace:
    owners = {
        key: {"service.name": process["serviceName"], **{tag["key"]: tag["value"] for tag in process.get("tags", ())}}
        for key, process in found["processes"].items()
    }
    spans = []
    for each in found["spans"]:
        tags = {tag["key"]: tag["value"] for tag in each["tags"]}
        spans.append((owners[each["processID"]], str(tags.get("otel.scope.name", "")), _jaeger_span(each, tags)))
    return FoundTrace(trace_id=found["traceID"].zfill(32), spans=spans)


def _jaeger_span(found: dict[str, Any], tags: dict[str, Any]) -> Span:
    parents = [link["spanID"] for link in found.get("references") or () if link["refType"] == "CHILD_OF"]
    start_ns = found["startTime"] * 1000
    texts = (found["traceID"].zfill(32), found["spanID"].zfill(16), parents[0].zfill(16) if parents else "")
    own = {"span.kind", "internal.span.format", "otel.scope.name", "otel.scope.version", "otel.status_code", "error"}
    return _span(
        name=found["operationName"],
        ids=[bytes.fromhex(text) for text in texts],
        kind=str(tags.get("span.kind", "internal")),
        times_ns=(start_ns, start_ns + found["duration"] * 1000),
        attributes={key: value for key, value in tags.items() if key not in own and key != "otel.status_description"},
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
        put(span.attributes.add(key=key), value)
    if error is not None:
        span.status.CopyFrom(Status(code=Status.STATUS_CODE_ERROR, message=error))
    return span
