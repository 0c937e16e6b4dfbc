"""Read a record of Python's logging, even an oddly made one. Nothing here is masked yet."""

from __future__ import annotations

import copy
import logging
import re
import sys
import traceback
from itertools import filterfalse
from typing import Any, Final

from whatsself_otel.logs.fields import safe_str

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message", "taskName"}
"""Attributes of every record; any other came by ``extra``."""

_OF_STRUCTLOG: Final = ("_record", "_from_structlog", "_logger", "_name")
_LAST_LINE: Final = re.compile(r"^([A-Za-z_][\w.]*)(?:: (.*))?$", re.MULTILINE)
_MAX_EXCEPTION_LINE: Final = 4_096


def message_of(record: logging.LogRecord) -> str:
    """Return the message of *record* with its arguments; after a wrong format, append the arguments."""
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - a bad format string is shown as it is, with what was to fill it
        arguments = record.args if isinstance(record.args, tuple) else (record.args,)
        return " ".join([safe_str(record.msg), *(safe_str(argument) for argument in arguments)])


def is_event(message: object) -> bool:
    """Return whether *message* is an event dictionary, as structlog's ``ProcessorFormatter`` gets it."""
    return isinstance(message, dict) and "event" in message


def unfold_event(record: logging.LogRecord) -> logging.LogRecord:
    """Return *record* with its event as the message, its exception in place, and the other fields as extras."""
    given: dict[str, Any] = record.msg  # type: ignore[assignment]  # is_event() has looked
    fields = {safe_str(key): value for key, value in given.items() if key not in _OF_STRUCTLOG}
    unfolded = copy.copy(record)
    for name in _OF_STRUCTLOG:
        vars(unfolded).pop(name, None)
    unfolded.msg, unfolded.args = fields.pop("event"), None
    unfolded.exc_info = fields.pop("exc_info", None) or record.exc_info
    if isinstance(fields.get("exception"), str):
        unfolded.exc_text = fields.pop("exception")
    if isinstance(fields.get("stack"), str):
        unfolded.stack_info = fields.pop("stack")
    if fields.get("level") == record.levelname.lower():
        del fields["level"]
    if fields.get("logger") == record.name:
        del fields["logger"]
    vars(unfolded).update({f"extra_{key}" if key in _STANDARD else key: value for key, value in fields.items()})
    return unfolded


def extras_of(record: logging.LogRecord) -> dict[str, Any]:
    """Return the fields passed by ``extra``, and the call's stack if the record has one."""
    fields = vars(record)
    extras = {key: fields[key] for key in filterfalse(_STANDARD.__contains__, fields)}
    if record.stack_info:
        extras["code.stacktrace"] = safe_str(record.stack_info)
    return extras


def exception_of(record: logging.LogRecord) -> tuple[str, str, str] | None:
    """Return type, message and stack of *record*'s exception, or None if it has none."""
    found: Any = record.exc_info
    if not found:
        return _read_exception(record.exc_text) if record.exc_text else None
    if isinstance(found, BaseException):
        found = (type(found), found, found.__traceback__)
    elif not isinstance(found, tuple):
        found = sys.exc_info()
    if found[0] is None:
        return _read_exception(record.exc_text) if record.exc_text else None
    kind, error, _ = found
    stack = "".join(traceback.format_exception(*found))
    return f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins."), safe_str(error), stack


def _read_exception(text: object) -> tuple[str, str, str]:
    """Return type, message and stack of an exception from its printed text."""
    stack = safe_str(text)
    lines = [line for line in stack.splitlines() if line.strip()]
    last = lines[-1][:_MAX_EXCEPTION_LINE] if lines else ""
    said = _LAST_LINE.match(last)
    return (said[1], said[2] or "", stack) if said else ("Exception", last.strip(), stack)
