"""
Log records in Pino's shape: one masked JSON object a line on stdout, and the same record over OTLP.

Both come from one masked `LogEntry`, so there is one place to look when asking what may leave.
"""

from whatsself_otel.logs.fields import clean_text, plain
from whatsself_otel.logs.format import LogSettings, format_json, format_pretty, make_settings
from whatsself_otel.logs.handler import _MAX_REMEMBERED, _MAX_REMEMBERED_CHARS, TelemetryHandler
from whatsself_otel.logs.install import LoggingInstallation
from whatsself_otel.logs.levels import LEVEL_NUMBERS, TRACE_LEVEL
from whatsself_otel.logs.record import LogEntry, MaskedLogRecord

__all__ = [
    "LEVEL_NUMBERS",
    "TRACE_LEVEL",
    "_MAX_REMEMBERED",
    "_MAX_REMEMBERED_CHARS",
    "LogEntry",
    "LogSettings",
    "LoggingInstallation",
    "MaskedLogRecord",
    "TelemetryHandler",
    "clean_text",
    "format_json",
    "format_pretty",
    "make_settings",
    "plain",
]
