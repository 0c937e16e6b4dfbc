"""The console view on spans, log records and metrics as they arrive by OTLP."""

from __future__ import annotations

import io
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from rows import for_each

from whatsself_otel.viewer.console_view import Paint, last_points, render, render_tree, span_title, tell

TRACE = bytes(range(16))
PLAIN = Paint()


def attributes(**values: str) -> list[KeyValue]:
    return [KeyValue(key=key, value=AnyValue(string_value=value)) for key, value in values.items()]


def make_span(name: str, number: int, parent: int = 0, **ids: str) -> Span:
    """Return a span that starts *number* ms after the first and takes 1 ms."""
    return Span(
        trace_id=TRACE,
        span_id=number.to_bytes(8, "big"),
        parent_span_id=parent.to_bytes(8, "big") if parent else b"",
        name=name,
        start_time_unix_nano=number * 1_000_000,
        end_time_unix_nano=(number + 1) * 1_000_000,
        attributes=attributes(**ids),
    )


def shape(*spans: Span) -> list[str]:
    """Return the tree without times and span ids."""
    return [line[23:].rpartition("  ")[0] for line in list(render_tree(spans, PLAIN))[1:]]


class TestOddValues:
    def test_lists_and_maps_are_shown_as_such(self) -> None:
        inner = AnyValue(kvlist_value=KeyValueList(values=attributes(city="Recife")))
        listed = AnyValue(array_value=ArrayValue(values=[AnyValue(int_value=1), inner]))
        metric = Metric(name="sent")
        metric.sum.data_points.add(as_int=2).attributes.add(key="places", value=listed)

        assert [point.labels for point in last_points([metric])] == [{"places": '[1,{"city":"Recife"}]'}]

    def test_a_metric_without_points_is_passed_over(self) -> None:
        assert last_points([Metric(name="empty")]) == []


class TestTree:
    def test_children_stand_under_their_parents_in_order_of_time(self) -> None:
        spans = [make_span("last", 5, 1), make_span("leaf", 3, 2), make_span("root", 1), make_span("first", 2, 1)]

        assert shape(*spans) == ["root", "├─ first", "│  └─ leaf", "└─ last"]

    def test_a_span_whose_parent_did_not_arrive_is_a_root(self) -> None:
        assert shape(make_span("root", 1), make_span("orphan", 3, 99)) == ["root", "orphan"]

    def test_a_span_that_arrived_twice_is_shown_once(self) -> None:
        assert shape(make_span("root", 1), make_span("child", 2, 1), make_span("child", 2, 1)) == ["root", "└─ child"]

    def test_times_count_from_the_first_span(self) -> None:
        lines = list(render_tree([make_span("root", 10), make_span("child", 12, 10)], PLAIN))

        assert lines[1].split()[:2] == ["0.0ms", "1.0ms"]
        assert lines[2].split()[:2] == ["2.0ms", "1.0ms"]

    def test_an_id_is_shown_where_it_changes(self) -> None:
        spans = [
            make_span("root", 1, messageId="in"),
            make_span("same", 2, 1, messageId="in"),
            make_span("reply", 3, 1, messageId="out"),
        ]
        lines = list(render_tree(spans, PLAIN))[1:]

        assert [line.partition("messageId=")[2] for line in lines] == ["in", "", "out"]

    def test_a_failure_is_named(self) -> None:
        span = make_span("send", 1)
        span.status.CopyFrom(Status(code=Status.STATUS_CODE_ERROR, message="timeout"))

        assert "send timeout" in list(render_tree([span], PLAIN))[1]

    def test_nothing_is_nothing(self) -> None:
        assert list(render_tree([], PLAIN)) == []


class TestSpanTitle:
    @for_each(
        "statement, title",
        [
            ("INSERT INTO messages (id) VALUES (?)", "INSERT messages"),
            ("select a\nfrom contacts", "SELECT contacts"),
            ("UPDATE outbound_queue SET x=?", "UPDATE outbound_queue"),
            ("BEGIN IMMEDIATE", "BEGIN IMMEDIATE"),
        ],
    )
    def test_a_statement_says_what_it_does_to_which_table(self, statement: str, title: str) -> None:
        span = make_span("INSERT somewhere", 1)
        span.attributes.extend([KeyValue(key="db.query.text", value=AnyValue(string_value=statement))])

        assert span_title(span) == title


def make_counter(value: int, **labels: str) -> Metric:
    metric = Metric(name="messages.outbound", unit="{message}")
    metric.sum.is_monotonic = True
    metric.sum.data_points.add(as_int=value, attributes=attributes(**labels)).exemplars.add(trace_id=TRACE)
    return metric


class TestLastPoints:
    def test_the_last_value_of_each_series_counts_under_its_prometheus_name(self) -> None:
        points = last_points(
            [make_counter(1, origin="reply"), make_counter(7, origin="manual"), make_counter(3, origin="reply")]
        )

        assert [(point.name, point.labels["origin"], point.value) for point in points] == [
            ("messages_outbound_total", "manual", 7),
            ("messages_outbound_total", "reply", 3),
        ]

    def test_a_sum_that_may_fall_is_no_total(self) -> None:
        metric = Metric(name="open.files", unit="1")
        metric.sum.data_points.add(as_int=2)
        assert [point.name for point in last_points([metric])] == ["open_files"]

    def test_exemplars_name_their_traces(self) -> None:
        assert last_points([make_counter(1)])[0].trace_ids == (TRACE.hex(),)

    def test_a_histogram_counts_and_sums(self) -> None:
        metric = Metric(name="first_response.latency", unit="s")
        metric.histogram.data_points.add(count=4, sum=10.5)
        point = last_points([metric])[0]

        assert (point.name, point.value, point.sum) == ("first_response_latency_seconds", 4, 10.5)


class TestStory:
    def test_it_takes_only_what_belongs_to_the_trace(self) -> None:
        other = Span(trace_id=bytes(16), span_id=b"12345678", name="other")
        logs = [
            LogRecord(trace_id=TRACE, time_unix_nano=2, body=AnyValue(string_value="second")),
            LogRecord(trace_id=TRACE, time_unix_nano=1, body=AnyValue(string_value="first")),
            LogRecord(trace_id=bytes(16), body=AnyValue(string_value="another's")),
        ]
        story = tell(
            TRACE.hex(), [make_span("mine", 1), other], logs, [make_counter(0), make_counter(2, origin="reply")]
        )

        assert [span.name for span in story.spans] == ["mine"]
        assert [log.body.string_value for log in story.logs] == ["first", "second"]
        assert [point.value for point in story.points] == [2]

    def test_the_view_marks_the_metrics_that_lead_to_the_trace(self) -> None:
        text = render(tell(TRACE.hex(), [make_span("mine", 1)], [], [make_counter(2, origin="reply")]), PLAIN)

        assert f'messages_outbound_total{{origin="reply"}} 2  <- {TRACE.hex()}' in text


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class TestPaint:
    @for_each(
        "stream, environ, is_on",
        [
            (Terminal(), {}, True),
            (Terminal(), {"NO_COLOR": "1"}, False),
            (Terminal(), {"TERM": "dumb"}, False),
            (io.StringIO(), {}, False),
        ],
    )
    def test_colours_are_for_terminals_that_want_them(self, stream: Any, environ: dict[str, str], is_on: bool) -> None:  # noqa: FBT001 - a row of the table
        assert Paint.for_stream(stream, environ).is_on is is_on

    def test_colours_end_where_they_began(self) -> None:
        assert Paint(is_on=True).red("x") == "\x1b[31mx\x1b[0m"


class TestTerminal:
    """What somebody logged is shown, never obeyed."""

    HOSTILE = "a\x1b]52;c;aGk=\x07b\x1b[2Jc\n  12:00:00.000 info  forged\u202ed\x9b1m"

    def test_no_text_of_telemetry_reaches_it_as_a_command(self) -> None:
        span = make_span(self.HOSTILE, 1, contactId=self.HOSTILE)
        span.status.CopyFrom(Status(code=Status.STATUS_CODE_ERROR, message=self.HOSTILE))
        log = LogRecord(trace_id=TRACE, severity_text=self.HOSTILE, attributes=attributes(messageId=self.HOSTILE))
        log.body.string_value = self.HOSTILE
        metric = Metric(name=self.HOSTILE)
        metric.sum.data_points.add(as_int=2).attributes.extend(attributes(reason=self.HOSTILE))

        shown = render(tell(TRACE.hex(), [span], [log], [metric]), PLAIN)

        assert not any(char in shown for char in "\x1b\x07\x9b\u202e")
        assert not any(line.lstrip().startswith("12:00:00.000") for line in shown.splitlines())
        assert "\\x1b]52" in shown

    def test_what_people_write_stays_readable(self) -> None:
        assert "ção ✓ 👍" in render(tell(TRACE.hex(), [make_span("ção ✓ 👍", 1)], [], []), PLAIN)
