"""What `trace` makes of the answers of Loki and VictoriaLogs; tests/e2e asks the real ones."""

from __future__ import annotations

import json
from collections.abc import Iterable
from urllib.parse import unquote_plus

import pytest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from rows import for_each

from whatsself_otel.stack import log_stores
from whatsself_otel.stack.log_stores import LogSearch, LogStores, Loki, VictoriaLogs
from whatsself_otel.stack.store_http import SourceError

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
FIELDS = {"trace_id": TRACE, "span_id": SPAN, "severity_text": "warn", "messageId": "m-1"}
AT_NS = 1_795_987_600_123_456_789
LOKI = {"data": {"result": [{"stream": FIELDS, "values": [[str(AT_NS), "sent"]]}]}}
VICTORIALOGS = {"_time": "2026-11-29T21:26:40.123456789Z", "_msg": "sent", "_stream": "{}", **FIELDS}


class Store:
    """A store with prepared answers."""

    def __init__(self, *texts: str, fails: Exception | None = None) -> None:
        self._texts, self._fails = texts, fails

    def lines(self, _trace_id: str) -> Iterable[LogRecord]:
        if self._fails:
            raise self._fails
        for number, text in enumerate(self._texts):
            record = LogRecord(time_unix_nano=100 - number)
            record.body.string_value = text
            yield record


def texts(stores: LogStores) -> list[str]:
    return [record.body.string_value for record in stores.lines(TRACE)]


class TestAnswers:
    def check(self, record: LogRecord) -> None:
        attributes = {pair.key: pair.value.string_value for pair in record.attributes}
        assert (record.body.string_value, record.severity_text, record.time_unix_nano) == ("sent", "warn", AT_NS)
        assert (record.trace_id.hex(), record.span_id.hex(), attributes["messageId"]) == (TRACE, SPAN, "m-1")

    def test_lokis_line_is_a_record(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(log_stores, "get_json", lambda *_: LOKI)

        (record,) = Loki("http://loki").lines(TRACE)
        self.check(record)

    def test_victorialogs_line_is_the_same_record_to_the_nanosecond(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(log_stores, "get", lambda *_: json.dumps(VICTORIALOGS).encode() + b"\n")

        (record,) = VictoriaLogs("http://victorialogs").lines(TRACE)
        self.check(record)

    @for_each("time, decimals", [("2026-11-29T21:26:40Z", 0), ("2026-11-29T21:26:40.5Z", 500_000_000)])
    def test_a_time_may_have_fewer_decimals(self, monkeypatch: pytest.MonkeyPatch, time: str, decimals: int) -> None:
        monkeypatch.setattr(log_stores, "get", lambda *_: json.dumps({**VICTORIALOGS, "_time": time}).encode())

        (record,) = VictoriaLogs("http://victorialogs").lines(TRACE)
        assert record.time_unix_nano % 1_000_000_000 == decimals


class TestOrder:
    def test_the_first_store_that_has_any_is_taken_in_order_of_time(self) -> None:
        assert texts(LogStores((Store(), Store("last", "first"), Store("never asked")))) == ["first", "last"]

    @for_each("problem", [SourceError("away"), LookupError(), TypeError(), ValueError()])
    def test_one_that_does_not_answer_hides_no_other(self, problem: Exception) -> None:
        assert texts(LogStores((Store(fails=problem), Store("here")))) == ["here"]

    def test_nothing_is_nothing(self) -> None:
        assert texts(LogStores((Store(), Store()))) == []


class TestSearch:
    """That VictoriaLogs, and Loki where it is at hand, answer so is seen in tests/viewer/test_every_store.py."""

    def asked_of(self, store: Loki | VictoriaLogs, monkeypatch: pytest.MonkeyPatch) -> str:
        asked: list[str] = []

        def answer(_name: str, url: str) -> object:
            asked.append(url)
            return LOKI if "loki" in url else b""

        monkeypatch.setattr(log_stores, "get_json", answer)
        monkeypatch.setattr(log_stores, "get", answer)
        store.search(LogSearch(from_s=1, to_s=2, text='a"b (c', severity=17, fields={"http.route": "/x"}, limit=3))
        return unquote_plus(asked[0])

    def test_of_loki_escapes_what_was_typed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked = self.asked_of(Loki("http://loki"), monkeypatch)

        assert r'|~ "(?i)a\"b\\ \\(c" | http_route="/x" | severity_number>=17' in asked

    def test_of_victorialogs_escapes_what_was_typed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked = self.asked_of(VictoriaLogs("http://victorialogs"), monkeypatch)

        assert r'"http.route":="/x" severity_number:>=17 *:~"(?i)a\"b\\ \\(c" | sort by (_time) desc limit 3' in asked
