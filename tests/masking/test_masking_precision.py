"""What masking must leave alone: ten thousand of every kind of id, time and figure that telemetry is made of."""

from __future__ import annotations

import hashlib
import json
import random
import string
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from rows import for_each

from whatsself_otel import Masker
from whatsself_otel.masking.audit import find_pii

if TYPE_CHECKING:
    from collections.abc import Callable

COUNT = 10_000
MASKER = Masker()
BASE36 = string.digits + string.ascii_lowercase
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
START = datetime(2024, 1, 1, tzinfo=UTC)
SPAN_S = 4 * 365 * 24 * 3600


def text_of(rng: random.Random, alphabet: str, length: int) -> str:
    return "".join(rng.choices(alphabet, k=length))


def epoch_s(rng: random.Random) -> float:
    return START.timestamp() + rng.random() * SPAN_S


def moment(rng: random.Random) -> datetime:
    return START + timedelta(seconds=rng.random() * SPAN_S)


def cuid(rng: random.Random) -> str:
    return f"c{base36(int(epoch_s(rng) * 1000))}{text_of(rng, BASE36, 4)}{text_of(rng, BASE36, 12)}"


def base36(number: int) -> str:
    return (base36(number // 36) if number >= 36 else "") + BASE36[number % 36]


def price(rng: random.Random) -> str:
    return f"R$ {rng.random() * 10 ** rng.randint(1, 10):,.2f}".translate(str.maketrans(",.", ".,"))


CLASSES: dict[str, Callable[[random.Random], str]] = {
    "uuid4": lambda rng: str(uuid.UUID(int=rng.getrandbits(128), version=4)),
    "uuid7": lambda rng: str(
        uuid.UUID(int=(int(epoch_s(rng) * 1000) << 80) | 0x7000_8000_0000_0000_0000 | rng.getrandbits(62))
    ),
    "request id that begins like a number": lambda rng: f"00{rng.randint(10**8, 10**9 - 1)}{rng.getrandbits(84):021x}",
    "uuid of digits": lambda rng: str(uuid.UUID(text_of(rng, string.digits, 32))),
    "cuid": cuid,
    "cuid2": lambda rng: rng.choice(string.ascii_lowercase) + text_of(rng, BASE36, 23),
    "ULID": lambda rng: "01" + text_of(rng, CROCKFORD, 24),
    "trace id": lambda rng: f"{rng.getrandbits(128):032x}",
    "span id": lambda rng: f"{rng.getrandbits(64):016x}",
    "traceparent": lambda rng: f"00-{rng.getrandbits(128):032x}-{rng.getrandbits(64):016x}-01",
    "epoch s": lambda rng: str(int(epoch_s(rng))),
    "epoch s with fraction": lambda rng: repr(epoch_s(rng)),
    "epoch ms": lambda rng: str(int(epoch_s(rng) * 1e3)),
    "epoch us": lambda rng: str(int(epoch_s(rng) * 1e6)),
    "epoch ns": lambda rng: str(int(epoch_s(rng) * 1e9)),
    "queue id": lambda rng: f"msg_{int(epoch_s(rng) * 1e3)}_{text_of(rng, BASE36, 9)}",
    "WhatsApp message id": lambda rng: "3EB0" + text_of(rng, "0123456789ABCDEF", 18),
    "ISO time": lambda rng: moment(rng).isoformat(),
    "ISO time with Z": lambda rng: moment(rng).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
    "ISO time with space": lambda rng: str(moment(rng)),
    "log time": lambda rng: moment(rng).strftime("%Y-%m-%d %H:%M:%S,%f")[:-3],
    "Brazilian time": lambda rng: moment(rng).strftime("%d/%m/%Y %H:%M:%S"),
    "IPv4 with port": lambda rng: f"{'.'.join(str(rng.randint(0, 255)) for _ in range(4))}:{rng.randint(1024, 65535)}",
    "price": price,
    "plain price": lambda rng: f"{rng.random() * 1e6:.2f}",
    "order id": lambda rng: f"#{rng.randint(1, 10 ** rng.randint(3, 9))}",
    "order id of ten": lambda rng: f"{rng.randint(10**9, 10**10 - 1)}",
    "order id with prefix": lambda rng: f"PED-{moment(rng):%Y%m%d}-{rng.randint(1, 99999):05d}",
    "CEP": lambda rng: f"{rng.randint(1000, 99999):05d}-{rng.randint(0, 999):03d}",
    "MD5": lambda rng: hashlib.md5(rng.randbytes(8), usedforsecurity=False).hexdigest(),
    "SHA-1": lambda rng: hashlib.sha1(rng.randbytes(8), usedforsecurity=False).hexdigest(),
    "SHA-256": lambda rng: hashlib.sha256(rng.randbytes(8)).hexdigest(),
    "short hash": lambda rng: f"{rng.getrandbits(28):07x}",
    "float": lambda rng: repr(rng.random()),
    "wide float": lambda rng: repr(rng.random() * 10 ** rng.randint(-8, 9)),
    "negative float": lambda rng: repr(-rng.random() * 1e3),
    "byte count": lambda rng: str(rng.randint(0, 10**10 - 1)),
    "byte count with unit": lambda rng: f"{rng.randint(0, 10**15)} bytes",
    "duration": lambda rng: f"{rng.randint(0, 10**15)}ns",
    "version": lambda rng: f"{rng.randint(0, 30)}.{rng.randint(0, 300)}.{rng.randint(0, 3000)}",
    "address in memory": lambda rng: f"<Worker object at 0x{rng.getrandbits(48):012x}>",
    "snowflake": lambda rng: str(rng.randint(10**17, 10**19)),
}

TEXTS = {
    "alone": "{}",
    "prose": "worker 3 took {} after 2 tries",
    "pair": "depth=17 ref={} status=200",
    "path": "GET /api/orders/{}/items?page=2 HTTP/1.1",
}


@for_each("kind", CLASSES)
def test_leaves_ten_thousand_alone(kind: str) -> None:
    rng = random.Random(f"{kind} of 2026")
    values = [CLASSES[kind](rng) for _ in range(COUNT)]
    contexts = list(TEXTS.values())
    texts = [contexts[index % len(contexts)].replace("{}", value) for index, value in enumerate(values)]

    changed = [(text, MASKER.text(text)) for text in texts if MASKER.text(text) != text]

    assert changed == []


@for_each("kind", ["uuid4", "cuid", "ULID", "trace id", "epoch ms", "queue id", "WhatsApp message id"])
def test_identifiers_survive_intact(kind: str) -> None:
    rng = random.Random(f"{kind} as identifier")
    values = [CLASSES[kind](rng) for _ in range(1000)]
    keys = ("requestId", "contactId", "messageId", "triggerId", "flowId", "request_id")

    changed = [value for value in values if MASKER.identifier(value) != value]
    changed += [v for v in values if MASKER.attributes(dict.fromkeys(keys, v)) != dict.fromkeys(keys, v)]

    assert changed == []


TELEMETRY = {
    "http.request.method": "POST",
    "http.response.status_code": 200,
    "http.request.body.size": 98_765_432_109,
    "http.route": "/api/contacts/{contact_id}",
    "url.scheme": "https",
    "url.path": "/api/flows/welcome/steps/ask_name",
    "url.query": "page=2&sort=asc",
    "server.address": "api.example",
    "server.port": 443,
    "network.peer.address": "10.1.2.3",
    "service.name": "whatsself",
    "service.instance.id": "6f0d9f7e-5d3c-4e0e-8f0a-0b1c2d3e4f50",
    "db.system.name": "postgresql",
    "db.name": "whatsself",
    "db.collection.name": "contacts",
    "db.query.text": "SELECT id, phone, name FROM contacts WHERE id = $1",
    "exception.type": "sqlalchemy.exc.OperationalError",
    "exception.message": "no such table: contacts",
    "code.function.name": "queue.worker.take",
    "code.line.number": 214,
    "thread.id": 140_234_567_890_123,
    "thread.name": "MainThread",
    "process.pid": 4242,
    "messaging.system": "whatsapp",
    "messaging.message.id": "3EB0C767D26A1B2C",
    "messaging.destination.name": "outbound",
    "messaging.batch.message_count": 12,
    "messageId": "3EB0C767D26A1B2C",
    "messages": 5,
    "message_kind": "image",
    "max_tokens": 4096,
    "token_count": 123,
    "tokenType": "bearer",
    "phone_verified": True,
    "bodySize": 12_345_678_901,
    "threadName": "worker-1",
    "taskName": "Task-7",
    "funcName": "take",
    "filename": "queue.py",
    "hostname": "web-1",
    "queue.depth": 17,
    "started_at": 1_764_000_000_123,
    "whatsapp.session.state": "connected",
    "session": "main",
    "from_state": "closed",
    "author": "bot",
    "authenticated": True,
    "event.name": "connected",
    "error_message": "queue is full",
    "log.level": "info",
    "retry": None,
    "ratio": 0.123456789012,
}


@for_each("key", TELEMETRY)
def test_leaves_telemetry_useful(key: str) -> None:
    assert {key: TELEMETRY[key]} == MASKER.attributes({key: TELEMETRY[key]})


def test_leaves_a_whole_record_alone_inside_text() -> None:
    record = json.dumps({**TELEMETRY, "level": "info", "ts": "2026-11-23T12:00:00.123Z"}, default=str)
    record = (
        record.replace(str(TELEMETRY["thread.id"]), "1")
        .replace(str(TELEMETRY["http.request.body.size"]), "1")
        .replace(str(TELEMETRY["bodySize"]), "1")
    )

    assert record == MASKER.text(record)


SENTENCES = """
connected to 10.0.0.1:54321 after 1234.5 ms
state changed from closed to half-open
message: queue is full
session started, authentic user, secretary on duty, tokenizer loaded, passwords are never logged
Content-Type: text/html; charset=utf-8
name 'x' is not defined
expected str, got int: 5
took 11 2345 rows
range 2020-2026, page 10-20
a + b == c; x += 12345; i=0
the key is fine: value
std::vector<int>::at
def f(to: str, name: str) -> None
https://api.example:8443/@handle/posts
git commit 4bf92f3 (HEAD -> main)
[123] 2026-11-23 11:27:01 worker 12 job 34567
HTTP/1.1 200 OK 5120 0.003
basic authentication is off; bearer tokens are on
12 34 56 78 90 12 34 56
"""


@for_each("sentence", SENTENCES.strip().split("\n"))
def test_leaves_ordinary_log_lines_alone(sentence: str) -> None:
    assert sentence == MASKER.text(sentence)


class TestSpansOfTime:
    """``from`` and ``to`` are the ends of a span of time as often as a sender and a receiver."""

    STAY = """
    from=2026-11-30T10:00:00Z to=2026-11-30T11:00:00.123456+00:00
    asked for from=2026-11-30, to=2026-12-01.
    from=2026-11-30 10:00:00 attempt=2
    {"from": "2026-11-30", "to": "2026-11-30T10:00"}
    {'from': '2026-11-30 10:00:00.123456-0300', 'to': 'now'}
    /d/sessions?from=now-6h&to=now-15m/m
    /api?from=2026-11-30T10%3A00%3A00Z&to=2026-12-01
    https://grafana.example/d/a?orgId=1&from=1732600000000&to=1732603600000&var-session=main
    from=1732600000000&to=1732603600000
    """
    GO = (
        ("from=1732600000000 ok", "from=[masked:phone] ok"),
        ("/x?from=1732600000000&to=1932603600000", "/x?from=[masked:phone]&to=[masked:phone]"),
        ("/x?from=1732603600000&to=1732600000000", "/x?from=[masked:phone]&to=[masked:phone]"),
        ("/x?from=1732600000000&to=5511987654321", "/x?from=[masked:phone]&to=+55********4321"),
        ('{"from": 1732600000000}', '{"from": [masked:phone]}'),
        ('{"from": "2026-11-30 5511987654321"}', '{"from": "[masked:phone]"}'),
        ("from=2026-11-30T10:00:00.5511987654321Z", "from=[masked:phone]"),
        ("from=11987654321&to=now", "from=+55********4321&to=now"),
        ('{"content": "2026-11-30"}', '{"content": "[masked:body]"}'),
    )

    def test_stay(self) -> None:
        for text in map(str.strip, self.STAY.strip().split("\n")):
            assert MASKER.text(text) == text
            assert find_pii(text) == []

    def test_what_could_be_a_number_goes(self) -> None:
        for text, masked in self.GO:
            assert MASKER.text(text) == masked

    def test_attributes_stay_and_numbers_go(self) -> None:
        given = {"from": "2026-11-30T10:00:00Z", "to": "now-1h", "sender": "1732600000000"}

        assert MASKER.attributes(given) == given | {"sender": "[masked:phone]"}
