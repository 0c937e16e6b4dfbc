"""Log stores that ``trace`` asks besides a trace store, each through its own API."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import urlencode

from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from whatsself_otel.stack.store_http import SourceError, get, get_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_BACK_S: Final = 7 * 86_400
_MOST_LINES: Final = 1000
_NS: Final = 1_000_000_000
_MOST_SEVERE: Final = 24


class LogStore(Protocol):
    """A store of log lines, for trace stores that hold traces only."""

    def lines(self, trace_id: str) -> Iterable[LogRecord]:
        """
        Return the lines of one trace.

        Raises:
            SourceError: It does not answer.
            LookupError, TypeError, ValueError: Its answer is not understood.
        """


class SearchedLogStore(LogStore, Protocol):
    """A log store that can be searched too."""

    def search(self, wanted: LogSearch) -> Iterable[LogRecord]:
        """Return the *wanted* lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSearch:
    """A search for lines; the newest come first."""

    from_s: float
    """Unix time."""
    to_s: float
    text: str = ""
    """A part of the message or of a field, in any case."""
    severity: int = 0
    """Lowest OTLP severity number of a line."""
    service: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    limit: int = _MOST_LINES


@dataclass(frozen=True, slots=True)
class LogStores:
    """The possible log stores, in order of preference."""

    stores: tuple[LogStore, ...]

    def lines(self, trace_id: str) -> list[LogRecord]:
        """Return the lines of one trace in order of time, from the first store that has any."""
        found = (_lines(store, trace_id) for store in self.stores)
        return next(filter(None, found), [])


def _lines(store: LogStore, trace_id: str) -> list[LogRecord]:
    try:
        return sorted(store.lines(trace_id), key=lambda record: record.time_unix_nano)
    except (SourceError, LookupError, TypeError, ValueError):
        return []


@dataclass(frozen=True, slots=True)
class Loki:
    """Loki, asked in LogQL."""

    url: str

    def lines(self, trace_id: str) -> list[LogRecord]:
        """Return the lines of one trace."""
        window = {"start": f"{int(time.time() - _BACK_S)}000000000", "limit": _MOST_LINES, "direction": "forward"}
        query = {"query": f'{{service_name=~".+"}} | trace_id="{trace_id}"', **window}
        answer = get_json("loki", f"{self.url}/loki/api/v1/query_range?{urlencode(query)}")
        return _loki_records(answer)

    def search(self, wanted: LogSearch) -> list[LogRecord]:
        """Return the newest lines with a text in their message, or in a field if *fields* names it."""
        selector = f"{{service_name={json.dumps(wanted.service)}}}" if wanted.service else '{service_name=~".+"}'
        stages = [f" | {_label(key)}={json.dumps(value)}" for key, value in wanted.fields.items()]
        if wanted.severity:
            stages.append(f" | severity_number>={wanted.severity}")
        if wanted.text:
            stages.insert(0, f" |~ {json.dumps(_any_case(wanted.text))}")
        window = {"start": int(wanted.from_s * _NS), "end": int(wanted.to_s * _NS), "limit": wanted.limit}
        query = {"query": selector + "".join(stages), "direction": "backward", **window}
        return _loki_records(get_json("loki", f"{self.url}/loki/api/v1/query_range?{urlencode(query)}"))


@dataclass(frozen=True, slots=True)
class VictoriaLogs:
    """VictoriaLogs, asked in LogsQL; it answers one JSON object a line."""

    url: str

    def lines(self, trace_id: str) -> list[LogRecord]:
        """Return the lines of one trace."""
        query = {"query": f'trace_id:="{trace_id}"', "start": int(time.time() - _BACK_S), "limit": _MOST_LINES}
        return self._asked(query)

    def search(self, wanted: LogSearch) -> list[LogRecord]:
        """Return the newest lines that hold a text in any field."""
        tests = [f"{json.dumps(key)}:={json.dumps(value)}" for key, value in wanted.fields.items()]
        if wanted.service:
            tests.append(f'"service.name":={json.dumps(wanted.service)}')
        if wanted.severity:
            tests.append(f"severity_number:>={wanted.severity}")
        if wanted.text:
            tests.append(f"*:~{json.dumps(_any_case(wanted.text))}")
        query = f"{' '.join(tests) or '*'} | sort by (_time) desc limit {wanted.limit}"
        return self._asked({"query": query, "start": wanted.from_s, "end": wanted.to_s})

    def _asked(self, query: Mapping[str, object]) -> list[LogRecord]:
        answer = get("victorialogs", f"{self.url}/select/logsql/query?{urlencode(query)}") or b""
        return [_victorialogs_record(json.loads(line)) for line in answer.splitlines()]


def _any_case(text: str) -> str:
    return "(?i)" + re.escape(text)


def _label(key: str) -> str:
    """Return Loki's form of a name."""
    return re.sub(r"\W", "_", key)


def _loki_records(answer: Any) -> list[LogRecord]:
    streams = answer["data"]["result"]
    return [_loki_record(stream["stream"], value) for stream in streams for value in stream["values"]]


def _loki_record(labels: Mapping[str, str], value: list[Any]) -> LogRecord:
    fields = {**labels, **(value[2].get("structuredMetadata", {}) if len(value) > 2 else {})}
    return _record(fields, text=value[1], time_ns=int(value[0]))


def _victorialogs_record(fields: dict[str, str]) -> LogRecord:
    return _record(fields, text=fields.pop("_msg", ""), time_ns=_nanoseconds(fields.pop("_time")))


def _nanoseconds(text: str) -> int:
    """Return an RFC 3339 time of up to nine decimals; `datetime` keeps six of them."""
    seconds, _, decimals = text.removesuffix("Z").partition(".")
    return int(datetime.fromisoformat(f"{seconds}+00:00").timestamp()) * _NS + int(decimals.ljust(9, "0"))


def _record(fields: Mapping[str, str], *, text: str, time_ns: int) -> LogRecord:
    record = LogRecord(time_unix_nano=time_ns, severity_text=_level(fields))
    number = fields.get("severity_number", "")
    record.severity_number = int(number) if number.isdigit() and int(number) <= _MOST_SEVERE else 0  # type: ignore[assignment]
    record.body.string_value = text
    record.trace_id = bytes.fromhex(fields.get("trace_id", ""))
    record.span_id = bytes.fromhex(fields.get("span_id", ""))
    for key, value in fields.items():
        record.attributes.add(key=key).value.string_value = str(value)
    return record


def _level(fields: Mapping[str, str]) -> str:
    return (fields.get("severity_text") or fields.get("detected_level") or fields.get("level") or "info").lower()
