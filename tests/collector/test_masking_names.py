"""The collector blocks every name of the package's table, in every style, and none that it passes over."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from binaries import Collector, post_otlp, run_collector
from generate_collector_masking import CONFIG, config, names
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from otlp_sink import Sink, run_sink
from vendor_files import read

from whatsself_otel.masking import message_ref

if TYPE_CHECKING:
    from collections.abc import Iterator

CLOUD_ID = "wamid.HBgNNTUxMTk4NzY1NDMyMRUCABIYFjNFQjBDNzY3RDI2QTFCMkM0RAA="
BLOCKED = read(None)["processors"]["redaction/keys"]["blocked_key_patterns"]
PATTERNS = [re.compile(each.replace("$$", "$")) for each in BLOCKED]
IN_TEXT = re.compile(read(None)["processors"]["redaction/words"]["blocked_values"][0])
TECHNICAL = (
    *("author", "bodysize", "body_size", "message_type", "http.request.method", "service.name", "tokenType", "phoneid"),
    *("gen_ai.usage.input_tokens", "order_id", "description", "host.name", "messaging.message.id", "url.path"),
    *("state", "kind", "depth"),
)


def styles(name: str) -> list[str]:
    words = name.split("_")
    camel = words[0] + "".join(word.title() for word in words[1:])
    return [name, camel, camel[0].upper() + camel[1:], "-".join(words), name.upper()]


def is_blocked(key: str) -> bool:
    return any(pattern.search(key) for pattern in PATTERNS)


@pytest.mark.parametrize(("name", "rule"), sorted(set(names())))
def test_blocks_every_name_of_the_table(name: str, rule: str) -> None:
    assert [style for style in styles(name) if not is_blocked(style)] == [], rule


def test_blocks_it_behind_another_word() -> None:
    assert is_blocked("session.adv_secret_key")
    assert is_blocked("senderPushName")


@pytest.mark.parametrize("name", TECHNICAL)
def test_leaves_technical_names(name: str) -> None:
    assert not is_blocked(name)


@pytest.mark.parametrize(
    "text",
    [
        '{"KEY": "Ofelia"}',
        '{"a": 1, "KEY" : ["Ofelia", "x"]}',
        '{"KEY": {"v": "Ofelia"}}',
        '{"raw": "{\\"KEY\\": \\"Ofelia\\"}"}',
    ],
)
@pytest.mark.parametrize("name", ["push_name", "pushName", "mensagem", "text", "adv_secret_key", "observacao", "lid"])
def test_blocks_a_name_in_json_inside_a_text(text: str, name: str) -> None:
    assert "Ofelia" not in IN_TEXT.sub("****", text.replace("KEY", name))


@pytest.mark.parametrize(
    "text", ['{"valid": "yes"}', '{"state": "open"}', '{"order_id": "x"}', '{"message_type": "x"}']
)
def test_leaves_technical_names_in_json_inside_a_text(text: str) -> None:
    assert IN_TEXT.sub("****", text) == text


def test_is_written_from_the_table() -> None:
    text = CONFIG.read_text(encoding="utf-8")

    assert config(text) == text


@pytest.fixture(scope="module")
def sink() -> Iterator[Sink]:
    with run_sink() as found:
        yield found


@pytest.fixture(scope="module")
def collector(sink: Sink) -> Iterator[Collector]:
    quick = ("exporters::otlp_http/otlp::sending_queue::batch::flush_timeout: 10ms",)
    with run_collector("otlp", environ={"OTLP_ENDPOINT": sink.url}, settings=quick) as found:
        yield found


@pytest.mark.collector
def test_an_id_of_the_cloud_api_becomes_the_reference_of_the_package(collector: Collector, sink: Sink) -> None:
    request = ExportLogsServiceRequest()
    record = request.resource_logs.add().scope_logs.add().log_records.add()
    record.body.string_value = f"sent {CLOUD_ID} ok"
    record.attributes.add(key="messageId").value.string_value = CLOUD_ID
    record.attributes.add(key="advSecretKey").value.string_value = "material"
    record.attributes.add(key="nomeCliente").value.string_value = "Ofelia"

    post_otlp(f"{collector.http_url}/v1/logs", request)
    sink.wait_for(lambda each: len(each.logs()) == 1, timeout_s=30)

    (log,) = sink.logs()
    assert log.body == f"sent {message_ref(CLOUD_ID)} ok"
    assert log.attributes["messageId"] == message_ref(CLOUD_ID)
    assert {log.attributes["advSecretKey"], log.attributes["nomeCliente"]} == {"****"}
