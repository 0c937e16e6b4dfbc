"""What database libraries log about statements, without the values that their debug lines show."""

from __future__ import annotations

import copy
import functools
import re
from typing import TYPE_CHECKING, Final

from whatsself_otel.logs.reading import extras_of
from whatsself_otel.masking import token

if TYPE_CHECKING:
    import logging

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

_STATEMENT: Final = re.compile(
    r"(?:\s|--[^\n]*\n|/\*.*?\*/|\()*"
    r"(?:select|insert|update|delete|with|merge|replace|values|call|exec|execute|copy|create|alter|drop|explain"
    r"|declare|prepare|set|pragma)\b",
    re.IGNORECASE | re.DOTALL,
)
_MAX_SEARCHED: Final = 2_000
_PLAIN: Final = (str, int, float, type(None))


@functools.lru_cache(maxsize=1024)
def logs_statements(logger: str) -> bool:
    """Return whether *logger* belongs to a library that shows statements and values."""
    return any(logger == library or logger.startswith(f"{library}.") for library in LIBRARIES)


def without_values(record: logging.LogRecord, masker: Masker) -> logging.LogRecord:
    """Return *record*, which is below warning, with every value of a statement hidden."""
    shown = copy.copy(record)
    if isinstance(record.args, dict):
        shown.args = {key: _argument(value, masker) for key, value in record.args.items()}
    elif record.args:
        shown.args = tuple(_argument(value, masker) for value in record.args)
    elif isinstance(record.msg, str):
        shown.msg = masker.sql(record.msg)
    if not isinstance(record.msg, str):
        shown.msg = _Hidden(masker)
    vars(shown).update({key: token("sql") for key, value in extras_of(record).items() if not isinstance(value, _PLAIN)})
    return shown


def _argument(value: object, masker: Masker) -> object:
    if value is None or isinstance(value, int | float):
        return value
    if not isinstance(value, str):
        return _Hidden(masker)
    return masker.sql(value) if _STATEMENT.match(value[:_MAX_SEARCHED]) else value


class _Hidden:
    """Stands for a value whatever the format: ``%s`` and ``%r`` show the token."""

    __slots__ = ("_shown",)

    def __init__(self, masker: Masker) -> None:
        self._shown = masker.under("sql", "values")

    def __repr__(self) -> str:
        return self._shown
