"""What database libraries log of statements, values and rows leaves without the values."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import aiosqlite
import pytest
from otlp_sink import Sink
from sqlalchemy import create_engine, text

from whatsself_otel import Telemetry

Start = Callable[..., Telemetry]
SECRETS = ("Maria das Dores", "segredo", "Rua das Flores")
"""Values without anything personal that a detector could find."""


def bodies(telemetry: Telemetry, sink: Sink, logger: str) -> list[str]:
    assert telemetry.force_flush(30)
    everything = b"".join(export.body for export in sink.received)
    assert [secret for secret in SECRETS if secret.encode() in everything] == []
    return [record.body for record in sink.logs() if record.scope.startswith(logger)]


@pytest.mark.parametrize("echo", [True, "debug"])
def test_statements_that_sqlalchemy_echoes(
    start: Start, sink: Sink, echo: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    telemetry = start(log_level="debug", log_to_stdout=True)
    engine = create_engine("sqlite://", echo=echo)
    try:
        with engine.connect() as connection:
            connection.execute(text("create table contact (name text, note text)"))
            for _ in range(2):
                connection.execute(
                    text("insert into contact values (:name, :note)"), {"name": SECRETS[0], "note": SECRETS[1]}
                )
            connection.execute(
                text("insert into contact values (:name, :note)"), [{"name": SECRETS[0], "note": "x"}] * 2
            )
            connection.execute(text(f"select * from contact where note = '{SECRETS[2]}'"))  # noqa: S608 - as some write
            assert len(connection.execute(text("select * from contact")).all()) == 4
        engine.dispose()
    finally:
        logger = logging.getLogger("sqlalchemy.engine.Engine")
        logger.handlers = []
        logger.setLevel(logging.NOTSET)
        said = bodies(telemetry, sink, "sqlalchemy.engine")

    assert "insert into contact values (?, ?)" in said
    assert "select * from contact where note = ?" in said
    assert "BEGIN (implicit)" in said
    shown = [line for line in said if line.startswith("[")]
    assert len(shown) == 6
    assert all(line.endswith("] [masked:sql]") for line in shown)
    assert (said.count("Row [masked:sql]") == 4) == (echo == "debug")
    console = capfd.readouterr()
    assert [secret for secret in SECRETS if secret in console.out + console.err] == []


def test_what_aiosqlite_executes(start: Start, sink: Sink) -> None:
    async def use() -> None:
        async with aiosqlite.connect(":memory:") as database:
            await database.execute("select ?", (SECRETS[0],))
            with pytest.raises(aiosqlite.OperationalError):
                await database.execute(f"select '{SECRETS[1]}' from nothing")  # noqa: S608 - as some write

    telemetry = start(log_level="debug")
    asyncio.run(use())

    said = bodies(telemetry, sink, "aiosqlite")
    assert "executing [masked:sql]" in said
    assert "operation [masked:sql] completed" in said


DRIVERS = {
    "tortoise.db_client": ("%s: %s", ("select * from contact where name = $1", [SECRETS[0]])),
    "django.db.backends": (
        "(%.3f) %s; args=%s; alias=%s",
        (0.1, f"select '{SECRETS[0]}'", (SECRETS[1],), "default"),
    ),
    "psycopg": ("executing %r with %r", ("select %s", (SECRETS[0],))),
    "asyncpg.pool": (f"executed insert into contact values ('{SECRETS[0]}')", ()),  # noqa: S608 - as above
    "peewee": (("select ?", [SECRETS[0]]), ()),
    "pymongo.command": ({"message": "started", "command": {"name": SECRETS[0]}}, ()),
    "databases": ("query: %(query)s args: %(args)s", ({"query": f"call f('{SECRETS[0]}')", "args": [SECRETS[1]]},)),
}


@pytest.mark.parametrize("logger", DRIVERS)
def test_debug_lines_of_drivers(start: Start, sink: Sink, logger: str) -> None:
    message, arguments = DRIVERS[logger]
    telemetry = start(log_level="debug")
    logging.getLogger(logger).debug(message, *arguments, extra={"params": [SECRETS[2]], "duration": 0.1})

    (said,) = bodies(telemetry, sink, logger)
    assert "[masked:sql]" in said or "?" in said
    (record,) = [record for record in sink.logs() if record.scope == logger]
    assert record.attributes == {"params": "[masked:sql]", "duration": 0.1}


def test_warnings_of_drivers_and_other_loggers_stay_readable(start: Start, sink: Sink) -> None:
    telemetry = start(log_level="debug")
    logging.getLogger("asyncpg.pool").warning("closing takes over %s seconds for %r", "60", ("db", 1))
    logging.getLogger("asyncpgish").debug("took %r of %d", ("db",), 60)

    assert bodies(telemetry, sink, "asyncpg") == ["closing takes over 60 seconds for ('db', 1)", "took ('db',) of 60"]


JOBS = {
    "rq.worker": ("%s: %s (%s)", ("default", f"bot.reply('+5511987654321', '{SECRETS[0]}')", "job-1")),
    "arq.worker": ("%6.2fs -> %s(%s)%s", (0.1, "job-1:reply", f"'{SECRETS[0]}', '{SECRETS[1]} (1)'", " try=2")),
    "dramatiq.worker": (f"Received message reply('{SECRETS[0]}') with id 'job-1'.", ()),
}


@pytest.mark.parametrize("logger", JOBS)
def test_jobs_are_shown_without_their_arguments(start: Start, sink: Sink, logger: str) -> None:
    message, arguments = JOBS[logger]
    telemetry = start()
    logging.getLogger(logger).info(message, *arguments)
    logging.getLogger(logger).error("job-1 failed in reply()", extra={"arguments": [SECRETS[2]], "job_id": "job-1"})

    said, failed = bodies(telemetry, sink, logger)
    assert "reply([masked:body])" in said
    assert "job-1" in said
    assert failed == "job-1 failed in reply()"
    assert [record.attributes for record in sink.logs() if record.scope == logger][1] == {
        "arguments": "[masked:body]",
        "job_id": "job-1",
    }
