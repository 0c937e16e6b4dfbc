"""Shows one message on the console: its trace as a tree, its log lines, and the metrics that point back to it."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.proto.metrics.v1.metrics_pb2 import HistogramDataPoint

from whatsself_otel.catalogue import CONTACT_ID, MESSAGE_ID, REQUEST_ID, Kind
from whatsself_otel.language import translated
from whatsself_otel.metrics.prometheus_names import prometheus_labels, prometheus_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import TextIO

    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
    from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
    from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric, NumberDataPoint
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

_NANOSECONDS: Final = 1_000_000_000
_IDS: Final = (REQUEST_ID, CONTACT_ID, MESSAGE_ID)
_TABLE: Final = re.compile(r"\b(?:INTO|UPDATE|FROM|TABLE)\s+(\w+)", re.IGNORECASE)
_ERROR: Final = 2
_KINDS: Final = {"sum": Kind.COUNTER, "gauge": Kind.GAUGE, "histogram": Kind.HISTOGRAM}


# What a terminal obeys, or shows elsewhere than it stands: controls, line ends, marks of direction.
_CONTROL: Final = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u061c\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u2069\\ufeff]")


def inert(text: str) -> str:
    """Return *text* with every character that a terminal would obey written out as Python escapes it."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Paint:
    """Colours of a terminal; none elsewhere."""

    is_on: bool = False

    @classmethod
    def for_stream(cls, stream: TextIO, environ: Mapping[str, str] = os.environ) -> Paint:
        """Colour a terminal, unless ``NO_COLOR`` is set (https://no-color.org) or it says that it has none."""
        return cls(is_on=stream.isatty() and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb")

    def bold(self, text: str) -> str:
        """Return a heading."""
        return self._wrap("1", text)

    def dim(self, text: str) -> str:
        """Return what matters less."""
        return self._wrap("2", text)

    def red(self, text: str) -> str:
        """Return the span's failure in words."""
        return self._wrap("31", text)

    def green(self, text: str) -> str:
        """Return what to look at."""
        return self._wrap("32", text)

    def cyan(self, text: str) -> str:
        """Return an id."""
        return self._wrap("36", text)

    def _wrap(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.is_on else text


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricPoint:
    """The last value of one series."""

    name: str
    """As Prometheus has it."""
    labels: Mapping[str, str]
    value: float
    sum: float | None = None
    """Sum of a histogram, whose value is its count."""
    trace_ids: tuple[str, ...] = ()
    """Traces its exemplars lead to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageStory:
    """Everything that was exported about one trace."""

    trace_id: str
    spans: Sequence[Span]
    logs: Sequence[LogRecord]
    points: Sequence[MetricPoint]
    """Every series that is not zero, of the whole process: a metric carries no id, only exemplars do."""

    @property
    def ids(self) -> dict[str, list[str]]:
        """Every requestId, contactId and messageId on its spans and log lines, in order of appearance."""
        found: dict[str, dict[str, None]] = {key: {} for key in _IDS}
        attributes = [item.attributes for item in sorted(self.spans, key=_start)] + [
            log.attributes for log in self.logs
        ]
        for key, value in (pair for pairs in attributes for pair in _attributes(pairs).items()):
            if key in found:
                found[key][str(value)] = None
        return {key: list(values) for key, values in found.items()}

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "traceId": self.trace_id,
            "ids": self.ids,
            "spans": [_span_json(span) for span in sorted(self.spans, key=_start)],
            "logs": [_log_json(log) for log in self.logs],
            "metrics": [_point_json(point) for point in self.points],
        }


def tell(trace_id: str, spans: Iterable[Span], logs: Iterable[LogRecord], metrics: Iterable[Metric]) -> MessageStory:
    """
    Pick from everything that was exported what belongs to one trace.

    Args:
        trace_id: 32 hexadecimal digits.
        spans: All spans.
        logs: All log records.
        metrics: All exports of metrics; the last value of each series counts.
    """
    wanted = bytes.fromhex(trace_id)
    return MessageStory(
        trace_id=trace_id,
        spans=[span for span in spans if span.trace_id == wanted],
        logs=sorted((log for log in logs if log.trace_id == wanted), key=lambda log: log.time_unix_nano),
        points=[point for point in last_points(metrics) if point.value],
    )


def render(story: MessageStory, paint: Paint) -> str:
    """Return the whole view as text."""
    parts = [
        *render_ids(story, paint),
        "",
        *render_tree(story.spans, paint),
        "",
        *render_logs(story, paint),
        "",
        _heading("Metrics", "what is not zero; an arrow marks an exemplar of this trace", paint),
        *(_point_line(point, story.trace_id, paint) for point in story.points),
    ]
    return "\n".join(parts)


def render_ids(story: MessageStory, paint: Paint) -> list[str]:
    """Return the trace id, and the ids it can be found by."""
    ids = (f"  {key:<10} {paint.cyan(inert(', '.join(values)))}" for key, values in story.ids.items())
    return [_heading("Trace", story.trace_id, paint), *ids]


def render_logs(story: MessageStory, paint: Paint) -> list[str]:
    """Return one line a log record."""
    heading = _heading("Logs", f"{len(story.logs)} lines with this trace id", paint)
    return [heading, *(_log_line(log, paint) for log in story.logs)]


def render_tree(spans: Sequence[Span], paint: Paint) -> Iterator[str]:
    """
    Return one line a span, children under their parents, in order of time.

    Args:
        spans: Spans of one trace; one whose parent is not among them becomes a root.
        paint: Colours.
    """
    if not spans:
        return
    tree = _Tree(children=_children(spans), origin_ns=min(map(_start, spans)), paint=paint)
    yield paint.dim(f"{translated('start'):>10} {translated('took'):>10}  span")
    for root in tree.children[b""]:
        yield from tree.lines(root, "", "", {})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tree:
    children: Mapping[bytes, Sequence[Span]]
    origin_ns: int
    paint: Paint

    def lines(self, span: Span, first: str, rest: str, known: Mapping[str, Any]) -> Iterator[str]:
        ids = {key: value for key, value in _attributes(span.attributes).items() if key in _IDS}
        news = {key: value for key, value in ids.items() if known.get(key) != value}
        yield self._line(span, first, news)
        below = self.children.get(span.span_id, ())
        for child in below:
            is_last = child is below[-1]
            yield from self.lines(
                child, rest + ("└─ " if is_last else "├─ "), rest + ("   " if is_last else "│  "), {**known, **ids}
            )

    def _line(self, span: Span, branch: str, news: Mapping[str, Any]) -> str:
        start_ms = (span.start_time_unix_nano - self.origin_ns) / 1e6
        took_ms = (span.end_time_unix_nano - span.start_time_unix_nano) / 1e6
        name = inert(span_title(span))
        shown = self.paint.red(f"{name} {inert(span.status.message)}") if span.status.code == _ERROR else name
        ids = "".join(f"  {self.paint.cyan(inert(f'{key}={value}'))}" for key, value in news.items())
        return f"{start_ms:>8.1f}ms {took_ms:>8.1f}ms  {branch}{shown}  {self.paint.dim(span.span_id.hex())}{ids}"


def span_title(span: Span) -> str:
    """Return the span's name, or the verb and table of its statement."""
    attributes = _attributes(span.attributes)
    query = attributes.get("db.query.text")
    if query is None:
        return span.name
    table = _TABLE.search(query)
    return f"{query.split(maxsplit=1)[0].upper()} {table[1]}" if table else " ".join(query.split()[:3])


def last_points(metrics: Iterable[Metric]) -> list[MetricPoint]:
    """Return the last value of every series in *metrics*, sorted by name and labels."""
    last: dict[tuple[str, tuple[tuple[str, str], ...]], MetricPoint] = {}
    for metric in metrics:
        kind = _KINDS.get(metric.WhichOneof("data") or "")
        if kind is None:
            continue
        may_fall = kind is Kind.COUNTER and not metric.sum.is_monotonic
        name = prometheus_name(metric.name, unit=metric.unit, kind=None if may_fall else kind)
        for point in _data_points(metric):
            labels = prometheus_labels(_attributes(point.attributes))
            last[name, tuple(labels.items())] = _point(name, labels, point)
    return [last[key] for key in sorted(last)]


def _data_points(metric: Metric) -> list[NumberDataPoint | HistogramDataPoint]:
    return [*metric.sum.data_points, *metric.gauge.data_points, *metric.histogram.data_points]


def _point(name: str, labels: Mapping[str, str], point: NumberDataPoint | HistogramDataPoint) -> MetricPoint:
    traces = tuple(exemplar.trace_id.hex() for exemplar in point.exemplars if exemplar.trace_id)
    if isinstance(point, HistogramDataPoint):
        return MetricPoint(name=name, labels=labels, value=point.count, sum=point.sum, trace_ids=traces)
    value = point.as_int if point.HasField("as_int") else point.as_double
    return MetricPoint(name=name, labels=labels, value=value, trace_ids=traces)


def _children(spans: Sequence[Span]) -> Mapping[bytes, Sequence[Span]]:
    # The collector delivers at least once, so a span may come twice.
    known = {span.span_id: span for span in spans}
    children: dict[bytes, list[Span]] = defaultdict(list)
    for span in sorted(known.values(), key=_start):
        children[span.parent_span_id if span.parent_span_id in known else b""].append(span)
    return children


def _heading(title: str, text: str, paint: Paint) -> str:
    return f"{paint.bold(translated(title))}  {paint.green(translated(text))}"


def _log_line(log: LogRecord, paint: Paint) -> str:
    level = inert(f"{log.severity_text:<5}")
    shown = paint.red(level) if log.severity_text in {"error", "fatal"} else level
    ids = _attributes(log.attributes)
    marks = " ".join(f"{key}={ids[key]}" for key in (*_IDS, "reason") if key in ids)
    where = paint.dim(f"{inert(marks)} span={log.span_id.hex()}")
    return f"  {_clock(log.time_unix_nano)} {shown} {inert(log.body.string_value)}  {where}"


def _point_line(point: MetricPoint, trace_id: str, paint: Paint) -> str:
    labels = ",".join(f'{key}="{value}"' for key, value in point.labels.items())
    series = inert(f"{point.name}{{{labels}}}" if labels else point.name)
    value = f"{point.value:g}"
    if point.sum is not None:
        times = "once" if point.value == 1 else f"{value} times"
        value = translated(f"{times}, {point.sum:.3f} s in all")
    mark = f"  {paint.green('<- ' + trace_id)}" if trace_id in point.trace_ids else ""
    return f"  {series} {paint.bold(value)}{mark}"


def _span_json(span: Span) -> dict[str, Any]:
    return {
        "name": span.name,
        "title": span_title(span),
        "traceId": span.trace_id.hex(),
        "spanId": span.span_id.hex(),
        "parentSpanId": span.parent_span_id.hex() or None,
        "startMs": span.start_time_unix_nano / 1e6,
        "tookMs": (span.end_time_unix_nano - span.start_time_unix_nano) / 1e6,
        "isError": span.status.code == _ERROR,
        "attributes": _attributes(span.attributes),
    }


def _log_json(log: LogRecord) -> dict[str, Any]:
    return {
        "ts": datetime.fromtimestamp(log.time_unix_nano / _NANOSECONDS, UTC).isoformat(),
        "level": log.severity_text,
        "msg": log.body.string_value,
        "traceId": log.trace_id.hex(),
        "spanId": log.span_id.hex(),
        "attributes": _attributes(log.attributes),
    }


def _point_json(point: MetricPoint) -> dict[str, Any]:
    return {
        "name": point.name,
        "labels": dict(point.labels),
        "value": point.value,
        "sum": point.sum,
        "traceIds": list(point.trace_ids),
    }


def _clock(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns / _NANOSECONDS, UTC).strftime("%H:%M:%S.%f")[:-3]


def _start(span: Span) -> int:
    return span.start_time_unix_nano


def _attributes(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    return {pair.key: _plain(pair.value) for pair in pairs}


def _plain(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_plain(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return _attributes(value.kvlist_value.values)
    return getattr(value, kind) if kind else None
