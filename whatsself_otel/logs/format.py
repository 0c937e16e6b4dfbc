"""Format a record for standard output: Pino's JSON, or coloured text on a terminal."""

from __future__ import annotations

import dataclasses
import json
import logging
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TextIO

from whatsself_otel.logs.fields import inert, safe_str
from whatsself_otel.logs.record import iso_time

if TYPE_CHECKING:
    from whatsself_otel.logs.record import LogEntry

_COLOURS: Final = {"fatal": "35", "error": "31", "warn": "33", "info": "32", "debug": "36", "trace": "90"}
_quote: Final = json.encoder.encode_basestring
_TO_JSON: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=safe_str).encode


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    """
    Settings of the lines on standard output.

    Args:
        pretty: Coloured text for a person instead of JSON.
        service: Name of the service, in each line.
        environment: Where it runs, in each line.
        stream: Where lines go; default: what ``sys.stdout`` is at that moment; ``None`` with `silent`.
        silent: Write no lines, only export.
        sdk_level: Lowest level of what the export path says of itself.
    """

    pretty: bool = False
    service: str = "whatsself"
    environment: str = "development"
    stream: TextIO | None = None
    silent: bool = False
    sdk_level: int = logging.WARNING


def make_settings(settings: LogSettings, log_format: str) -> LogSettings:
    """Return *settings* with ``auto`` resolved: pretty on a terminal, JSON elsewhere."""
    stream = settings.stream or sys.stdout
    pretty = log_format == "pretty" or (log_format == "auto" and bool(getattr(stream, "isatty", lambda: False)()))
    return dataclasses.replace(settings, pretty=pretty)


def format_json(entry: LogEntry, settings: LogSettings) -> str:
    """Return *entry* as one line of JSON; every control character is escaped."""
    if entry.error or not entry.ids.keys().isdisjoint(entry.extra):
        return _TO_JSON(entry.as_dict(settings))
    # The same from its parts: the encoder of the standard library takes longer to begin than to write.
    ids = "".join([f',"{key}":{_quote(value)}' for key, value in entry.ids.items()])
    trace_id, span_id, *_, is_valid = entry.span_context
    if is_valid:
        ids += f',"traceId":"{trace_id:032x}","spanId":"{span_id:016x}"'
    extra = "".join([f",{_quote(key)}:{_value(value)}" for key, value in entry.extra.items()])
    return (
        f'{{"level":"{entry.level}","ts":"{iso_time(entry.timestamp_ns)}","msg":{_quote(entry.message)},'
        f'"logger":{_quote(entry.logger)}{ids},"service":{_quote(settings.service)},'
        f'"environment":{_quote(settings.environment)}{extra}}}'
    )


def _value(value: object) -> str:
    return _quote(value) if type(value) is str else _TO_JSON(value)


def format_pretty(entry: LogEntry) -> str:
    """Return *entry* as coloured text for a terminal; escape sequences in the record become harmless."""
    colour = _COLOURS.get(entry.level, "0")
    fields = {**entry.ids, **entry.extra}
    rest = " ".join(f"{inert(key)}={inert(safe_str(value))}" for key, value in fields.items())
    moment = iso_time(entry.timestamp_ns)[11:23]
    line = f"\x1b[90m{moment}\x1b[0m \x1b[{colour}m{entry.level.upper():5}\x1b[0m {inert(entry.message)}"
    stack = "\n" + "\n".join(map(inert, entry.error["stack"].splitlines())) if entry.error else ""
    return f"{line} \x1b[90m{rest}\x1b[0m{stack}" if rest else line + stack
