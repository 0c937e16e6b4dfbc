"""The collector masks by the package's table of names: the same names, in every style, at every depth."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from binaries import Collector, post_otlp, run_collector
from collector_patterns import TECHNICAL_ELSEWHERE, exact, qualified, strict, whole
from generate_collector_masking import CONFIG, config
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from otlp_sink import Sink, run_sink
from rows import for_each
from vendor_files import read

from whatsself_otel.masking import message_ref
from whatsself_otel.masking.keys import KEY_RULES, KeyRules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from opentelemetry.proto.common.v1.common_pb2 import AnyValue

CLOUD_ID = "wamid.HBgNNTUxMTk4NzY1NDMyMRUCABIYFjNFQjBDNzY3RDI2QTFCMkM0RAA="
VALUE = "Ofelia foi ali"
"""Three words: a person's text under any name of the table, the ambiguous ones included."""
KEYS = read(None)["processors"]["redaction/keys"]
BLOCKED = [re.compile(each.replace("$$", "$")) for each in KEYS["blocked_key_patterns"]]
HARMLESS = re.compile(KEYS["ignored_key_patterns"][0].replace("$$", "$"))
AROUND = (
    "{}",
    "customer_{}",
    "{}_count",
    "{}_id",
    "{}_value",
    "{}_home_page",
    "app.{}",
    "x.{}",
    "session.{}_2",
    "no{}",
)
TECHNICAL = (
    *("author", "bodysize", "body_size", "message_type", "http.request.method", "service.name", "tokenType", "phoneid"),
    *("gen_ai.usage.input_tokens_count", "order_id", "host.name", "messaging.message.id", "url.path", "valid", "depth"),
)


def names() -> list[str]:
    table = [*strict(KEY_RULES), *exact(KEY_RULES), *qualified(KEY_RULES), *whole(KEY_RULES)]
    return sorted({style for name in table for around in AROUND for style in styles(around.format(name))})


def styles(name: str) -> list[str]:
    before, dot, last = name.rpartition(".")
    words = last.split("_")
    camel = words[0] + "".join(word.title() for word in words[1:])
    return [before + dot + each for each in (last, camel, camel[0].upper() + camel[1:], "-".join(words), last.upper())]


AT_ONCE = 250
"""Records a request: data costs half a millisecond each, and a request is answered within half a minute."""
RULES = KeyRules({}, frozenset())


def masked_by_the_package(name: str) -> bool:
    plan = RULES.plan(name)
    return plan.rule is not None and (plan.spared is None or plan.spared.fullmatch(VALUE) is None)


def masked_as_an_attribute(name: str) -> bool:
    return not HARMLESS.search(name) and any(pattern.search(name) for pattern in BLOCKED)


class TestAttributes:
    """Names of attributes, by the table's verdict on the name alone."""

    def test_are_masked_as_the_package_masks_them(self) -> None:
        written_together = {name.replace("_", "") for name in exact(KEY_RULES)}  # callto, which is callTo in any case
        apart = {name for name in names() if re.sub(r"^.*[.]|[\W\d_]", "", name.lower()) in written_together}
        apart |= {name for name in names() if name.lower() in TECHNICAL_ELSEWHERE}

        wrong = [name for name in names() if masked_as_an_attribute(name) != masked_by_the_package(name)]

        assert set(wrong) - apart == set()

    def test_some_are_masked_and_some_are_not(self) -> None:
        found = [masked_as_an_attribute(name) for name in names()]

        assert 0.2 < sum(found) / len(found) < 0.9

    @for_each("name", TECHNICAL)
    def test_technical_ones_stay(self, name: str) -> None:
        assert not masked_as_an_attribute(name)


def test_is_written_from_the_table() -> None:
    assert config() == CONFIG.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def sink() -> Iterator[Sink]:
    with run_sink() as found:
        yield found


@pytest.fixture(scope="module")
def collector(sink: Sink) -> Iterator[Collector]:
    quick = ("exporters::otlp_http/otlp::sending_queue::batch::flush_timeout: 10ms",)
    with run_collector("otlp", environ={"OTLP_ENDPOINT": sink.url}, settings=quick) as found:
        yield found


def fill(value: AnyValue, given: Any) -> None:
    """Write *given*, as Python has it, into *value*."""
    if isinstance(given, dict):
        value.kvlist_value.SetInParent()
        for key, each in given.items():
            fill(value.kvlist_value.values.add(key=key).value, each)
    elif isinstance(given, list):
        value.array_value.SetInParent()
        for each in given:
            fill(value.array_value.values.add(), each)
    else:
        value.string_value = given


DEPTHS: dict[str, Callable[[str], tuple[str, Any]]] = {
    "a map in a body": lambda name: ("body", {name: VALUE, "n": "1"}),
    "a map in a list in a body": lambda name: ("body", {"a": [{"b": {name: VALUE}}]}),
    "a map in an attribute": lambda name: ("x", {name: VALUE, "n": "1"}),
    "a list under the name": lambda name: ("x", {"a": [{name: [VALUE]}]}),
    "a map under the name": lambda name: ("x", {name: {"v": {"w": [VALUE]}}}),
    "JSON in a text": lambda name: ("body", json.dumps({"a": {name: VALUE}})),
    "JSON in JSON in a map": lambda name: ("x", {"raw": json.dumps({"raw": json.dumps({name: VALUE})})}),
    "what Python prints": lambda name: ("body", f"got { ({'a': [{name: VALUE}]})!r}"),
}


@pytest.mark.collector
@pytest.mark.parametrize("depth", DEPTHS)
def test_names_at_depth_are_masked_as_the_package_masks_them(collector: Collector, sink: Sink, depth: str) -> None:
    undotted = [name for name in names() if "." not in name]
    sink.received.clear()
    for first in range(0, len(undotted), AT_ONCE):
        request = ExportLogsServiceRequest()
        records = request.resource_logs.add().scope_logs.add().log_records
        for number, name in enumerate(undotted[first : first + AT_ONCE], first):
            record = records.add()
            record.attributes.add(key="item.number").value.int_value = number
            where, given = DEPTHS[depth](name)
            fill(record.body if where == "body" else record.attributes.add(key=where).value, given)
        post_otlp(f"{collector.http_url}/v1/logs", request)
    sink.wait_for(lambda each: len(each.logs()) == len(undotted), timeout_s=60)

    shown = {log.attributes["item.number"]: f"{log.body} {log.attributes}" for log in sink.logs()}
    wrong = [
        name for number, name in enumerate(undotted) if ("Ofelia" not in shown[number]) != masked_by_the_package(name)
    ]
    assert wrong == []


@pytest.mark.collector
def test_an_id_of_the_cloud_api_becomes_the_reference_of_the_package(collector: Collector, sink: Sink) -> None:
    sink.received.clear()
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
