"""The corpus that the package's own masking is held against, sent through the real collector: recall and precision."""

from __future__ import annotations

import html
import random
import re
import unicodedata
from typing import TYPE_CHECKING

import pytest
import test_masking_recall as corpus
from binaries import Collector, post_otlp, run_collector
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from otlp_sink import Sink, run_sink
from test_masking_precision import CLASSES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from phonenumbers import PhoneNumber

pytestmark = pytest.mark.collector

QUICK = ("exporters::otlp_http/otlp::sending_queue::batch::flush_timeout: 10ms",)
NUMBER = "item.number"
SHORT = "989601"
"""The one number of fewer than seven digits: 00 and as many digits are no phone to anybody else either."""
SAMPLES = 400
MAY_CHANGE = {"byte count with unit": 120}
"""Of SAMPLES: bare digits in a phone's form; only the text after them shows that they are no phone."""


class Wire:
    """Sends texts as bodies of log records and gives them back in order."""

    def __init__(self, collector: Collector, sink: Sink) -> None:
        self._url = f"{collector.http_url}/v1/logs"
        self._sink = sink

    def through(self, texts: Sequence[str]) -> list[str]:
        self._sink.received.clear()
        for first in range(0, len(texts), 1000):
            request = ExportLogsServiceRequest()
            scope = request.resource_logs.add().scope_logs.add()
            for number, text in enumerate(texts[first : first + 1000], first):
                record = scope.log_records.add()
                record.body.string_value = text
                record.attributes.add(key=NUMBER).value.int_value = number
            post_otlp(self._url, request)
        self._sink.wait_for(lambda sink: len(sink.logs()) == len(texts), timeout_s=30)
        masked = {log.attributes[NUMBER]: log.body for log in self._sink.logs()}
        return [masked[number] for number in range(len(texts))]


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    with run_sink() as sink, run_collector("otlp", environ={"OTLP_ENDPOINT": sink.url}, settings=QUICK) as collector:
        yield Wire(collector, sink)


def readable(text: str) -> str:
    """Undo the encodings that a reader undoes: entities, escapes, full-width digits."""
    unescaped = re.sub(r"\\+u([0-9a-f]{4})", lambda found: chr(int(found[1], 16)), html.unescape(text))
    return unicodedata.normalize("NFKC", unescaped)


def leaks(wire: Wire, texts: Sequence[tuple[PhoneNumber, str]]) -> list[str]:
    masked = wire.through([text for _, text in texts])
    return [
        text
        for (number, _), text in zip(texts, masked, strict=True)
        if corpus.digits_of(number) != SHORT and corpus.left_over(readable(text), number)
    ]


def filled(container: str, text: str) -> str:
    return corpus.CONTAINERS[container].replace("{}", text).replace("{{", "{").replace("}}", "}")


def test_the_checker_sees_each_form() -> None:
    for write in corpus.FORMS.values():
        number = corpus.numbers()[-1]
        if write is corpus.FORMS["zero-width joiners"]:
            continue  # its digits stand alone, which left_over judges by their sequence
        assert corpus.left_over(readable(write(number)), number), write(number)


@pytest.mark.parametrize("form", corpus.FORMS)
def test_masks_every_region_and_type_in_every_container(wire: Wire, form: str) -> None:
    numbers = corpus.numbers()
    containers = list(corpus.CONTAINERS)
    texts = [
        (number, filled(containers[at % len(containers)], corpus.FORMS[form](number)))
        for at, number in enumerate(numbers)
    ]

    assert leaks(wire, texts) == []


def test_masks_bare_digits_of_eleven_and_more(wire: Wire) -> None:
    long = [number for number in corpus.numbers() if len(corpus.digits_of(number)) >= 11]

    left = leaks(wire, [(number, filled("prose", corpus.digits_of(number))) for number in long])

    assert left == []


@pytest.mark.parametrize("encoding", corpus.ENCODINGS)
def test_masks_encoded_numbers_in_urls(wire: Wire, encoding: str) -> None:
    encode = corpus.ENCODINGS[encoding]
    forms = ["E.164", "international", "RFC 3966", "JID", "no-break spaces and hyphens"]
    texts = [
        (number, f"https://api.example/c/{encode(corpus.FORMS[form](number))}?q={encode(corpus.e164(number))}")
        for form in forms
        for number in corpus.numbers()
    ]

    assert leaks(wire, texts) == []


def test_masks_brazilian_forms(wire: Wire) -> None:
    forms = [form.strip() for line in corpus.BRAZILIAN + corpus.FIXED for form in line.split("\n") if form.strip()]

    masked = wire.through([f"ligue para {form}, por favor" for form in forms])

    assert [text for text in masked if re.search("98765|87654321|3456|8765", re.sub(r"[ .-]", "", text))] == []


@pytest.mark.parametrize("kind", CLASSES)
def test_leaves_ids_times_and_figures_alone(wire: Wire, kind: str) -> None:
    rng = random.Random(kind)
    texts = [CLASSES[kind](rng) for _ in range(SAMPLES)]

    changed = [text for text, masked in zip(texts, wire.through(texts), strict=True) if text != masked]

    assert len(changed) <= MAY_CHANGE.get(kind, 0), changed[:5]
