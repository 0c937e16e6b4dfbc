"""Hide application data in libraries' logs: values of statements, arguments of jobs."""

from __future__ import annotations

import copy
import functools
import logging
import re
from typing import TYPE_CHECKING, Final

from whatsself_otel.logs.reading import extras_of, message_of
from whatsself_otel.masking import token

if TYPE_CHECKING:
    from collections.abc import Callable

    from whatsself_otel.masking import Masker

LIBRARIES: Final = (
    "sqlalchemy.engine",
    "aiomysql",
    "aiopg",
    "aiosqlite",
    "asyncmy",
    "asyncpg",
    "databases",
    "db_client",  # Tortoise's, before 0.20
    "django.db",
    "mysql.connector",
    "oracledb",
    "peewee",
    "piccolo",
    "pony.orm",
    "psycopg",
    "psycopg2",
    "pymongo",
    "pymysql",
    "tortoise",
)
"""Loggers of libraries that show statements, bound values or rows below warning."""

QUEUES: Final = (
    "apscheduler",
    "arq",
    "celery.concurrency",
    "celery.pool",
    "celery.worker",
    "dramatiq",
    "huey",
    "rq",
    "taskiq",
)
"""Loggers of job queues, which show each job as a call with its arguments."""

_CALL: Final = re.compile(r"\b([A-Za-z_][\w.]*)\((?!\[masked:|\)).+\)")
_STATEMENT: Final = re.compile(
    r"(?:\s|--[^\n]*\n|/\*.*?\*/|\()*"
    r"(?:select|insert|update|delete|with|merge|replace|values|call|exec|execute|copy|create|alter|drop|explain"
    r"|declare|prepare|set|pragma)\b",
    re.IGNORECASE | re.DOTALL,
)
_MAX_SEARCHED: Final = 2_000
_PLAIN: Final = (str, int, float, type(None))


@functools.lru_cache(maxsize=1024)
def content_of(logger: str) -> Callable[[logging.LogRecord, Masker], logging.LogRecord] | None:
    """Return the function that hides application data in records of *logger*, or None for other loggers."""
    if _is_one_of(logger, LIBRARIES):
        return without_values
    return without_arguments if _is_one_of(logger, QUEUES) else None


def without_values(record: logging.LogRecord, masker: Masker) -> logging.LogRecord:
    """Return *record* with every value of a statement hidden, if its level is below warning."""
    if record.levelno >= logging.WARNING:
        return record
    shown = _without_containers(record, "sql")
    if isinstance(record.args, dict):
        shown.args = {key: _argument(value, masker) for key, value in record.args.items()}
    elif record.args:
        shown.args = tuple(_argument(value, masker) for value in record.args)
    elif isinstance(record.msg, str):
        shown.msg = masker.sql(record.msg)
    if not isinstance(record.msg, str):
        shown.msg = _Hidden(masker)
    return shown


def without_arguments(record: logging.LogRecord, masker: Masker) -> logging.LogRecord:
    """Return *record* with the arguments of each call hidden: they are a job's, and have no names to judge by."""
    shown = _without_containers(record, "body")
    if record.levelno >= logging.WARNING:  # a traceback has calls too, and none with values
        return shown
    if isinstance(record.args, tuple):
        shown.args = tuple(_without_call(value, masker) if isinstance(value, str) else value for value in record.args)
    shown.msg, shown.args = _without_call(message_of(shown), masker), None
    return shown


def _is_one_of(logger: str, libraries: tuple[str, ...]) -> bool:
    return any(logger == library or logger.startswith(f"{library}.") for library in libraries)


def _without_containers(record: logging.LogRecord, rule: str) -> logging.LogRecord:
    """Return a copy of *record* with containers in extras hidden: parameters, rows or arguments."""
    shown = copy.copy(record)
    vars(shown).update({key: token(rule) for key, value in extras_of(record).items() if not isinstance(value, _PLAIN)})
    return shown


def _without_call(text: str, masker: Masker) -> str:
    return _CALL.sub(lambda call: f"{call[1]}({masker.under('body', 'arguments')})", text)


def _argument(value: object, masker: Masker) -> object:
    if value is None or isinstance(value, int | float):
        return value
    if not isinstance(value, str):
        return _Hidden(masker)
    return masker.sql(value) if _STATEMENT.match(value[:_MAX_SEARCHED]) else value


class _Hidden:
    """Stands in for a value in any format: ``%s`` and ``%r`` show the token."""

    __slots__ = ("_shown",)

    def __init__(self, masker: Masker) -> None:
        self._shown = masker.under("sql", "values")

    def __repr__(self) -> str:
        return self._shown
