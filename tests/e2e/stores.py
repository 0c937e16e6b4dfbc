"""Reads the backends through their APIs."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Hashable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol, Self, TypeVar

import httpx

_Key = TypeVar("_Key", bound=Hashable)
_SHOWN = 20
_WIDTH = 400


def wait_until_found(
    wanted: Iterable[_Key], problems_of: Callable[[_Key], list[str]], *, deadline_s: float = 30.0
) -> None:
    """
    Ask again and again for the missing part.

    Args:
        wanted: What should be there.
        problems_of: Returns what is wrong with one of them; nothing if all is well.
        deadline_s: Seconds until what is missing is a failure.

    Raises:
        AssertionError: A table of what is missing.
    """
    end_s = time.monotonic() + deadline_s
    missing: dict[_Key, list[str]] = {key: ["not asked for yet"] for key in wanted}
    with ThreadPoolExecutor(4) as pool:
        while missing and time.monotonic() < end_s:
            looks = dict(zip(missing, pool.map(problems_of, missing), strict=True))
            missing = {key: problems for key, problems in looks.items() if problems}
            time.sleep(0.5 if missing else 0)
    rows = [f"  {key}: {'; '.join(problems)[:_WIDTH]}" for key, problems in list(missing.items())[:_SHOWN]]
    assert not missing, f"{len(missing)} incomplete after {deadline_s:g} s:\n" + "\n".join(rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A span as a trace store returns it."""

    name: str
    kind: str
    span_id: str
    trace_id: str
    parent_id: str | None
    attributes: Mapping[str, Any]
    resource: Mapping[str, Any]


class TraceStore(Protocol):
    """Where traces are kept."""

    name: str

    def find(self, key: str, value: str) -> set[str]:
        """Return the ids of the traces with a span whose attribute *key* is *value*."""

    def spans(self, trace_id: str) -> list[Span]:
        """Return all spans of one trace, none if it is unknown."""

    def raw(self, trace_id: str) -> str:
        """Return the answer itself."""


class _Api:
    """
    A backend's HTTP API.

    Args:
        url: Where it listens.
        since_s: Unix time from which on anything is of interest.
    """

    def __init__(self, url: str, since_s: float) -> None:
        self._client = httpx.Client(base_url=url, trust_env=False, timeout=30)
        self._since_s = since_s

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._client.close()

    def _get(self, path: str, **parameters: Any) -> httpx.Response:
        return self._client.get(path, params=parameters, headers={"accept": "application/json"})

    def _json(self, path: str, **parameters: Any) -> Any:
        return self._get(path, **parameters).raise_for_status().json()


class Jaeger(_Api):
    """Jaeger's query API."""

    name = "jaeger"

    def find(self, key: str, value: str) -> set[str]:
        """Search by tag."""
        answer = self._json("/api/traces", service="whatsself", tags=f'{{"{key}":"{value}"}}', limit=100)
        return {trace["traceID"].zfill(32) for trace in answer["data"]}

    def raw(self, trace_id: str) -> str:
        """Return the answer itself."""
        return self._get(f"/api/traces/{trace_id}").text

    def everything(self) -> str:
        """Return every trace of the last hour, and the names it lists, as far as one answer holds them."""
        names = self._get("/api/services").text + self._get("/api/services/whatsself/operations").text
        return names + self._get("/api/traces", service="whatsself", lookback="1h", limit=1000).text

    def spans(self, trace_id: str) -> list[Span]:
        """Return all spans of one trace."""
        response = self._get(f"/api/traces/{trace_id}")
        if response.status_code == httpx.codes.NOT_FOUND:
            return []
        (trace,) = response.raise_for_status().json()["data"]
        return [_jaeger_span(span, trace["processes"]) for span in trace["spans"]]


def _jaeger_span(span: dict[str, Any], processes: dict[str, Any]) -> Span:
    attributes = {tag["key"]: tag["value"] for tag in span["tags"]}
    parents = [link["spanID"] for link in span["references"] if link["refType"] == "CHILD_OF"]
    return Span(
        name=span["operationName"],
        kind=attributes.pop("span.kind", "internal"),
        span_id=span["spanID"],
        trace_id=span["traceID"].zfill(32),
        parent_id=parents[0] if parents else None,
        attributes=attributes,
        resource={tag["key"]: tag["value"] for tag in processes[span["processID"]]["tags"]},
    )


class Tempo(_Api):
    """Tempo's query API."""

    name = "tempo"

    def find(self, key: str, value: str) -> set[str]:
        """Search by TraceQL."""
        window = {"start": int(self._since_s) - 60, "end": int(time.time()) + 60}
        answer = self._json("/api/search", q=f'{{ span.{key} = "{value}" }}', limit=100, **window)
        return {trace["traceID"].zfill(32) for trace in answer.get("traces") or []}

    def everything(self) -> str:
        """Return every trace there is, and each name and value of them that Tempo offers for searching."""
        window = {"start": int(self._since_s) - 60, "end": int(time.time()) + 60}
        traces = self._json("/api/search", q="{}", limit=500, **window).get("traces") or []
        return "\n".join([str(self._json("/api/v2/search/tags")), *(self.raw(each["traceID"]) for each in traces)])

    def raw(self, trace_id: str) -> str:
        """Return the answer itself."""
        return self._get(f"/api/v2/traces/{trace_id}").text

    def spans(self, trace_id: str) -> list[Span]:
        """Return all spans of one trace."""
        response = self._get(f"/api/v2/traces/{trace_id}")
        if response.status_code == httpx.codes.NOT_FOUND:
            return []
        resources = (response.raise_for_status().json().get("trace") or {}).get("resourceSpans", [])
        return [
            _tempo_span(span, _values(resource["resource"]))
            for resource in resources
            for scope in resource["scopeSpans"]
            for span in scope["spans"]
        ]


def _tempo_span(span: dict[str, Any], resource: dict[str, Any]) -> Span:
    parent = span.get("parentSpanId")
    return Span(
        name=span["name"],
        kind=span["kind"].removeprefix("SPAN_KIND_").lower(),
        span_id=_hexadecimal(span["spanId"]),
        trace_id=_hexadecimal(span["traceId"]),
        parent_id=_hexadecimal(parent) if parent else None,
        attributes=_values(span),
        resource=resource,
    )


def _hexadecimal(text: str) -> str:
    return base64.b64decode(text).hex()


def _values(owner: dict[str, Any]) -> dict[str, Any]:
    return {pair["key"]: next(iter(pair["value"].values()), None) for pair in owner.get("attributes", [])}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A log line with all that hangs on it, by the names of OpenTelemetry with ``_`` for a dot."""

    text: str
    fields: Mapping[str, str]


class LogStore(Protocol):
    """Where log lines are kept."""

    name: str

    def of_contacts(self) -> list[Line]:
        """Return every line of the application that has a contactId."""

    def every_line(self) -> list[Line]:
        """Return every line of every source."""

    def indexed(self) -> set[str]:
        """Return the indexed names: each new value of one makes a new stream."""


def everything_of(store: LogStore) -> str:
    """Return every line of every source with all that hangs on it."""
    return "\n".join(f"{line.text} {line.fields}" for line in store.every_line())


class Loki(_Api):
    """Loki's query API."""

    name = "loki"
    _PAGE = 5000

    @property
    def _start_ns(self) -> int:
        return int((self._since_s - 60) * 1e9)

    def lines(self, query: str) -> list[Line]:
        """Return every line that *query* (LogQL) selects, page by page."""
        found: dict[tuple[str, str, str], Line] = {}
        start_ns = self._start_ns
        while True:
            page = self._page(query, start_ns)
            before = len(found)
            for timestamp, text, fields in page:
                found[timestamp, text, str(fields)] = Line(text=text, fields=fields)
            if len(page) < self._PAGE or len(found) == before:
                return list(found.values())
            start_ns = max(int(timestamp) for timestamp, _, _ in page)

    def of_contacts(self) -> list[Line]:
        """Ask in LogQL."""
        return self.lines('{service_name="whatsself"} | contactId != ""')

    def every_line(self) -> list[Line]:
        """Ask in LogQL."""
        return self.lines('{service_name=~".+"}')

    def indexed(self) -> set[str]:
        """Return the names of the index labels, apart from its own."""
        return set(self._json("/loki/api/v1/labels", start=self._start_ns)["data"]) - {"__stream_shard__"}

    def _page(self, query: str, start_ns: int) -> list[tuple[str, str, dict[str, str]]]:
        end_ns = time.time_ns() + int(60e9)
        answer = self._json(
            "/loki/api/v1/query_range", query=query, start=start_ns, end=end_ns, limit=self._PAGE, direction="forward"
        )
        return [
            (timestamp, text, stream["stream"])
            for stream in answer["data"]["result"]
            for timestamp, text, *_ in stream["values"]
        ]


class VictoriaLogs(_Api):
    """VictoriaLogs' query API; without a limit it returns all there is."""

    name = "victorialogs"

    def lines(self, query: str) -> list[Line]:
        """Return every line that *query* (LogsQL) selects."""
        answer = self._get("/select/logsql/query", query=query, start=int(self._since_s) - 60).raise_for_status()
        return [_victorialogs_line(json.loads(line)) for line in answer.text.splitlines()]

    def of_contacts(self) -> list[Line]:
        """Ask in LogsQL."""
        return self.lines('{service.name="whatsself"} contactId:*')

    def every_line(self) -> list[Line]:
        """Ask in LogsQL."""
        return self.lines("*")

    def indexed(self) -> set[str]:
        """Return the names of the stream fields."""
        answer = self._json("/select/logsql/stream_field_names", query="*", start=int(self._since_s) - 60)
        return {each["value"].replace(".", "_") for each in answer["values"]}


def _victorialogs_line(found: dict[str, str]) -> Line:
    fields = {name.replace(".", "_"): value for name, value in found.items()}
    return Line(text=fields.pop("_msg", ""), fields=fields)


class Prometheus(_Api):
    """Prometheus' query API."""

    name = "prometheus"

    def increase(self, selector: str) -> float:
        """
        Return how much the counters that *selector* names have grown since the start, over all of their series.

        Every worker process has series of its own, so a restart begins new ones: the result is the sum over series of
        the sum of what each raw sample is above the one before it. That is PromQL's `increase` without its
        extrapolation. A series born with a value has lost that value, here as there.
        """
        return sum(
            max(0.0, later - earlier) for series in self._samples(selector) for earlier, later in pairwise(series)
        )

    def label_values(self, selector: str, label: str) -> set[str]:
        """Return the values of *label* among the series that *selector* names."""
        rows = self._json("/api/v1/series", **{"match[]": selector}, start=self._since_s)["data"]
        return {row.get(label, "") for row in rows}

    def exemplars(self, selector: str) -> list[dict[str, str]]:
        """Return the labels of the exemplars of the series that *selector* names."""
        answer = self._json("/api/v1/query_exemplars", query=selector, start=self._since_s, end=time.time() + 60)
        return [exemplar["labels"] for series in answer["data"] for exemplar in series["exemplars"]]

    def everything(self) -> str:
        """Return every series with all its labels, every exemplar and all metadata."""
        series = self._get("/api/v1/series", **{"match[]": '{__name__=~".+"}'}, start=self._since_s).text
        exemplars = self._get(
            "/api/v1/query_exemplars", query='{__name__=~".+"}', start=self._since_s, end=time.time() + 60
        ).text
        return series + exemplars + self._get("/api/v1/metadata").text

    def _samples(self, selector: str) -> list[list[float]]:
        window_s = int(time.time() - self._since_s) + 120
        answer = self._json("/api/v1/query", query=f"{selector}[{window_s}s]")
        return [[float(value) for _, value in series["values"]] for series in answer["data"]["result"]]


class Viewer(_Api):
    """The embedded viewer, by the API of its page: all three signals in one."""

    name = "viewer"

    def __init__(self, url: str, token: str, since_s: float) -> None:
        super().__init__(url, since_s)
        self._client.headers["authorization"] = f"Bearer {token}"

    def find(self, key: str, value: str) -> set[str]:
        """Search by id; the viewer asks for no key."""
        return {trace["traceId"] for trace in self._json("/api/find", id=value)["traces"]}

    def raw(self, trace_id: str) -> str:
        """Return the answer itself."""
        return self._get(f"/api/traces/{trace_id}").text

    def spans(self, trace_id: str) -> list[Span]:
        """Return all spans of one trace."""
        response = self._get(f"/api/traces/{trace_id}")
        if response.status_code == httpx.codes.NOT_FOUND:
            return []
        return [
            Span(
                name=span["name"],
                kind=span["kind"],
                span_id=span["spanId"],
                trace_id=trace_id,
                parent_id=span["parentSpanId"],
                attributes=span["attributes"],
                resource=span["resource"],
            )
            for span in response.raise_for_status().json()["spans_shown"]
        ]

    def lines(self, trace_id: str) -> list[Line]:
        """Return the log lines of one trace."""
        response = self._get(f"/api/traces/{trace_id}")
        if response.status_code == httpx.codes.NOT_FOUND:
            return []
        return [
            Line(text=log["text"], fields={**log["attributes"], "trace_id": trace_id})
            for log in response.raise_for_status().json()["logs_shown"]
        ]

    def count(self, metric: str, labels: Mapping[str, str]) -> float:
        """Return the sum of a counter or histogram over all instances that started at zero."""
        found = self._json("/api/metrics", window_s=21600)["metrics"]
        rows = [row for each in found if each["name"] == metric for row in each["series"]]
        return sum(float(row["now"]) for row in rows if labels.items() <= row["labels"].items())
