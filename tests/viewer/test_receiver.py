"""The viewer's receiver takes valid telemetry and refuses the rest without harm."""

from __future__ import annotations

import gzip
import html
import json
import re
import shutil
import socket
import zlib
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from google.protobuf import json_format  # type: ignore[import-untyped]
from live_server import live
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from parts import PROTOBUF, Client, counter, logs, names, set_all, spans, trace_id
from rows import for_each
from starlette.applications import Starlette

from whatsself_otel.stack.addresses import free_ports
from whatsself_otel.viewer import page_files, receiver
from whatsself_otel.viewer.server import Viewer, ViewerConfig

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from whatsself_otel import Telemetry

JSON = {"content-type": "application/json"}


class TestTaking:
    def test_any_trace_is_found_by_every_id_of_its_spans(self, client: Client) -> None:
        client.send(spans(1, requestId="request-1"))

        for wanted in ("request-1", "contact-1", "message-1", trace_id(1), trace_id(1).upper()):
            assert names(client.get(f"/api/find?id={wanted}")["traces"]) == [trace_id(1)]

    def test_a_span_that_comes_twice_is_one(self, client: Client) -> None:
        request = spans(1)
        client.send(request, request)

        (trace,) = client.get("/api/traces")["traces"]
        assert (trace["spans"], trace["errors"]) == (3, 1)

    def test_whoever_asks_about_a_message_later_is_not_listed_as_one(self, client: Client) -> None:
        client.send(spans(1))
        client.send(spans(2, name="GET /api/messages", messageId="message-1"))

        assert names(client.get("/api/traces")["traces"]) == [trace_id(1)]
        assert names(client.get("/api/traces?which=all")["traces"]) == [trace_id(2), trace_id(1)]

    @for_each("pack", [gzip.compress, zlib.compress])
    def test_packed_bodies(self, client: Client, pack: Callable[[bytes], bytes]) -> None:
        encoding = "gzip" if pack is gzip.compress else "deflate"
        body = pack(spans(1).SerializeToString())

        assert client.post("/v1/traces", body, {"content-encoding": encoding}).status_code == httpx.codes.OK
        assert client.get("/api/traces")["traces"]

    def test_json_with_ids_in_hexadecimal(self, client: Client) -> None:
        body = json.dumps(_otlp_json(spans(1)))
        answer = client.post("/v1/traces", body.encode(), JSON)

        assert (answer.status_code, answer.json()) == (httpx.codes.OK, {})
        assert client.get(f"/api/traces/{trace_id(1)}")["spans_shown"][1]["parentSpanId"] is not None

    def test_what_is_no_span_is_rejected_and_the_rest_is_kept(self, client: Client) -> None:
        request = spans(1)
        request.resource_spans[0].scope_spans[0].spans[2].trace_id = b"short"
        answer = client.post("/v1/traces", request.SerializeToString())
        said = ExportTraceServiceResponse.FromString(answer.content)

        assert answer.status_code == httpx.codes.OK
        assert said.partial_success.rejected_spans == 1
        assert client.get("/api/health")["rejected"] == {"traces": 1}
        assert client.get(f"/api/traces/{trace_id(1)}")["spans"] == 2

    def test_over_grpc_by_the_official_exporter(self) -> None:
        (port,) = free_ports(1)
        with Viewer(ViewerConfig(grpc_port=port)) as viewer:
            provider = TracerProvider(resource=Resource.create({"service.name": "other"}))
            exporter = OTLPSpanExporter(endpoint=f"http://127.0.0.1:{port}", insecure=True)
            provider.add_span_processor(SimpleSpanProcessor(exporter))
            provider.get_tracer("any").start_span("from anywhere").end()
            provider.shutdown()

            with Client(viewer) as client:
                (trace,) = client.get("/api/traces?which=all")["traces"]
        assert (trace["name"], trace["service"]) == ("from anywhere", "other")

    def test_the_package_itself(self, client: Client, start: Callable[..., Telemetry]) -> None:
        telemetry = start(endpoint=client.viewer.url)
        telemetry.metrics.message_inbound()
        telemetry.force_flush()
        telemetry.shutdown()

        found = {metric["name"]: metric["series"] for metric in client.get("/api/metrics")["metrics"]}
        assert [row["now"] for row in found["messages_inbound_total"] if row["labels"]["kind"] == "text"] == [1]


def file_addresses(client: Client) -> list[str]:
    """Return the addresses of the files that the page names."""
    return re.findall(r'="(/static/[^"]+)"', client.ask("/").text)


def _otlp_json(request: Any) -> Any:
    found = json_format.MessageToDict(request)
    for resource, owner in zip(found["resourceSpans"], request.resource_spans, strict=True):
        for scope, spans_of in zip(resource["scopeSpans"], owner.scope_spans, strict=True):
            for span, message in zip(scope["spans"], spans_of.spans, strict=True):
                span["traceId"], span["spanId"] = message.trace_id.hex(), message.span_id.hex()
                if message.parent_span_id:
                    span["parentSpanId"] = message.parent_span_id.hex()
    return found


NESTED = b'{"resourceSpans":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
ODD_ID = b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"xyz"}]}]}]}'
WORST: dict[str, tuple[str, bytes, dict[str, str], int]] = {
    "no protobuf": ("/v1/traces", b"\xff\xfe\xfd", {}, 400),
    "no JSON": ("/v1/logs", b"{", JSON, 400),
    "another JSON": ("/v1/metrics", b'{"resourceMetrics": 7}', JSON, 400),
    "a list": ("/v1/traces", b"[]", JSON, 400),
    "JSON without end": ("/v1/traces", NESTED, JSON, 400),
    "an id that is none": (
        "/v1/traces",
        b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"xyz"}]}]}]}',
        JSON,
        400,
    ),
    "half of a character": (
        "/v1/logs",
        b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"\\ud800"}}]}]}]}',
        JSON,
        400,
    ),
    "a time beyond all": (
        "/v1/traces",
        b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"startTimeUnixNano":"99999999999999999999999"}]}]}]}',
        JSON,
        400,
    ),
    "no gzip": ("/v1/traces", b"plain", {"content-encoding": "gzip"}, 400),
    "half a gzip": ("/v1/traces", gzip.compress(b"x" * 1000)[:-9], {"content-encoding": "gzip"}, 400),
    "a bomb": ("/v1/traces", gzip.compress(b"\0" * (receiver.UNPACKED_BYTES + 1)), {"content-encoding": "gzip"}, 413),
    "too much": ("/v1/traces", b"\0" * (receiver.BODY_BYTES + 1), {}, 413),
    "an unknown packing": ("/v1/traces", b"", {"content-encoding": "br"}, 415),
    "a form": ("/v1/traces", b"a=1", {"content-type": "application/x-www-form-urlencoded"}, 415),
    "plain text, which any page may post": ("/v1/traces", b"{}", {"content-type": "text/plain"}, 415),
    "an unknown path": ("/v1/profiles", b"", {}, 404),
    "a page of another origin": ("/v1/traces", b"", {"origin": "https://example.com"}, 403),
    "another name for this machine": ("/v1/traces", b"", {"host": "example.com"}, 403),
}


class TestRefusing:
    @for_each("case", WORST)
    def test_gets_a_4xx_and_nothing_breaks(self, client: Client, case: str) -> None:
        path, body, headers, status = WORST[case]

        assert client.post(path, body, headers).status_code == status
        client.send(spans(1))
        assert client.get("/api/traces")["traces"]

    def test_a_body_without_length_is_counted_while_it_comes(self, client: Client) -> None:
        chunk = b"\0" * 1_000_000
        answer = client.http.post("/v1/traces", content=(chunk for _ in range(9)), headers=PROTOBUF)

        assert answer.status_code == httpx.codes.REQUEST_ENTITY_TOO_LARGE

    def test_a_body_that_never_comes_is_not_waited_for(self, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(receiver, "_BODY_S", 0.3)
        with socket.create_connection(("127.0.0.1", int(client.viewer.url.rpartition(":")[2])), timeout=30) as slow:
            slow.sendall(
                b"POST /v1/traces HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/x-protobuf\r\n"
                b"content-length: 100\r\n\r\nonly this"
            )
            assert b" 408 " in slow.recv(100)

    def test_what_was_refused_is_counted(self, client: Client) -> None:
        client.post("/v1/traces", b"\xff")
        client.post("/v1/traces", b"", {"content-type": "text/plain"})

        assert client.get("/api/health")["refused"] == {"400": 1, "415": 1}

    def test_strange_but_valid_values_are_shown(self, client: Client) -> None:
        request = spans(1)
        span = request.resource_spans[0].scope_spans[0].spans[0]
        span.end_time_unix_nano = 2**64 - 1
        span.attributes.add(key="odd").value.double_value = float("nan")
        span.attributes.add(key="bytes").value.bytes_value = b"\0\xff"
        span.attributes.add(key="big").value.int_value = 2**63 - 1
        set_all(span.attributes, {"long": "x" * 100_000, "<b>": "\u202e\0"})
        client.send(request, counter("odd", float("inf")), logs(None, "x" * 100_000))

        shown = client.get(f"/api/traces/{trace_id(1)}")["spans_shown"][0]["attributes"]
        assert (shown["odd"], shown["bytes"], shown["big"]) == ("nan", "00ff", str(2**63 - 1))
        assert shown["long"].endswith("(+92000)")
        assert client.get("/api/health")["rejected"] == {"metrics": 1}
        assert len(client.texts()[0]) < 9_000

    def test_lists_and_maps_are_shown_as_such(self, client: Client) -> None:
        request = spans(1)
        span = request.resource_spans[0].scope_spans[0].spans[0]
        span.attributes.add(key="list").value.array_value.values.add().string_value = "one"
        set_all(span.attributes.add(key="map").value.kvlist_value.values, {"inner": "two"})
        said = logs(1, "replaced")
        said.resource_logs[0].scope_logs[0].log_records[0].body.array_value.values.add().int_value = 3
        client.send(request, said)

        trace = client.get(f"/api/traces/{trace_id(1)}")
        shown = trace["spans_shown"][0]["attributes"]
        assert (shown["list"], shown["map"]) == (["one"], {"inner": "two"})
        assert [line["text"] for line in trace["logs_shown"]] == ["[3]"]

    def test_a_line_without_a_level_has_the_name_it_came_with_or_is_for_information(self, client: Client) -> None:
        named, bare = logs(1, "named", severity=0), logs(2, "bare", severity=0)
        named.resource_logs[0].scope_logs[0].log_records[0].severity_text = "Notice"
        bare.resource_logs[0].scope_logs[0].log_records[0].severity_text = ""
        client.send(named, bare)

        levels = {line["text"]: line["level"] for line in client.get("/api/logs")["logs"]}
        assert levels == {"named": "notice", "bare": "info"}

    def test_a_sum_that_may_fall_is_a_gauge_and_a_metric_without_points_is_passed_over(self, client: Client) -> None:
        falling, empty = counter("queue.size", 5), counter("empty", 0)
        falling.resource_metrics[0].scope_metrics[0].metrics[0].sum.is_monotonic = False
        empty.resource_metrics[0].scope_metrics[0].metrics[0].ClearField("sum")
        client.send(falling, empty)

        assert [(each["name"], each["kind"]) for each in client.get("/api/metrics")["metrics"]] == [
            ("queue_size", "gauge")
        ]

    def test_a_request_that_looks_like_a_trace_is_found_too(self, client: Client) -> None:
        client.send(spans(1, requestId="f" * 32))

        assert names(client.get(f"/api/find?id={'f' * 32}")["traces"]) == [trace_id(1)]
        assert names(client.get(f"/api/find?id={trace_id(1)}")["traces"]) == [trace_id(1)]


class TestGuard:
    def test_pages_need_the_token_and_the_address_gives_a_cookie_for_it(self, viewer: Viewer) -> None:
        with httpx.Client(base_url=viewer.url, trust_env=False) as anyone:
            assert anyone.get("/").status_code == httpx.codes.UNAUTHORIZED
            assert anyone.get("/api/traces").status_code == httpx.codes.UNAUTHORIZED
            assert anyone.get("/?token=wrong").status_code == httpx.codes.UNAUTHORIZED

            first = anyone.get(viewer.page)
            assert (first.status_code, first.headers["location"]) == (httpx.codes.SEE_OTHER, "/")
            assert {"HttpOnly", "SameSite=strict"} <= set(first.headers["set-cookie"].split("; "))
            assert anyone.get("/api/traces").status_code == httpx.codes.OK

    def test_a_page_elsewhere_cannot_read_by_a_name_of_its_own(self, client: Client) -> None:
        headers = {"authorization": f"Bearer {client.viewer.token}"}

        assert client.http.get("/api/traces", headers={**headers, "host": "evil.example"}).status_code == 403
        assert client.http.get("/api/traces", headers={**headers, "origin": "null"}).status_code == 403

    def test_every_answer_forbids_what_a_page_must_not_do(self, client: Client) -> None:
        for path in ("/", "/api/traces", file_addresses(client)[0]):
            headers = client.ask(path).headers
            assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self';")
            assert headers["x-content-type-options"] == "nosniff"
            assert "access-control-allow-origin" not in headers

    def test_a_browser_keeps_the_files_and_nothing_else(self, client: Client) -> None:
        files = file_addresses(client)
        kept = {
            path: client.ask(path).headers["cache-control"] for path in ("/", "/api/traces", f"{files[0]}x", *files)
        }

        assert sorted(path.rpartition("/")[2] for path in files) == ["icon.svg", "page.js", "viewer.css"]
        assert {path for path, how in kept.items() if how == "max-age=31536000, immutable"} == set(files)
        assert {kept[path] for path in ("/", "/api/traces", f"{files[0]}x")} == {"no-store"}

    def test_a_changed_file_has_another_address(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        shutil.copytree(page_files.STATIC, tmp_path / "static")
        monkeypatch.setattr(page_files, "STATIC", tmp_path / "static")
        first = page_files.page_routes(dict)[1:]
        (tmp_path / "static" / "app.js").write_text("// another", encoding="utf-8")

        assert not {str(each) for each in first} & {str(each) for each in page_files.page_routes(dict)[1:]}

    def test_what_the_page_is_told_stays_text(self) -> None:
        told = '"><script>broken()</script>'
        app = Starlette(routes=page_files.page_routes(lambda _request: {"send_to": told}))

        with live(app) as server:
            page = httpx.get(server.url, trust_env=False).text

        assert "<script>" not in page
        found = re.search(r'<meta name="state" content="([^"]*)">', page)
        assert found is not None
        assert json.loads(html.unescape(found[1])) == {"send_to": told}

    def test_the_page_is_told_what_its_own_question_would_tell(self, client: Client) -> None:
        found = re.search(r'<meta name="state" content="([^"]*)">', client.ask("/").text)

        assert found is not None
        assert json.loads(html.unescape(found[1])) == client.get("/api/state")

    def test_it_listens_on_the_loopback_only(self, viewer: Viewer) -> None:
        port = int(viewer.url.rpartition(":")[2])
        addresses = {row[4][0] for row in socket.getaddrinfo(socket.gethostname(), port, socket.AF_INET)}
        for address in (str(each) for each in addresses if not str(each).startswith("127.")):
            with pytest.raises(OSError, match=r"refused|timed out"):
                socket.create_connection((address, port), timeout=2)

    @for_each(
        "path",
        [
            "/api/traces?which=x",
            "/api/find?id=",
            f"/api/find?id={'x' * 201}",
            "/api/logs?level=x",
            "/api/metrics?window_s=x",
            f"/api/traces/{trace_id(1)}/metrics.pb",
        ],
    )
    def test_wrong_questions_get_a_400(self, client: Client, path: str) -> None:
        assert client.ask(path).status_code == httpx.codes.BAD_REQUEST

    def test_unknown_things_get_a_404(self, client: Client) -> None:
        assert client.ask("/api/traces/unknown").status_code == httpx.codes.NOT_FOUND
        assert client.ask("/static/../server.py").status_code == httpx.codes.NOT_FOUND
