"""Opens the database, SQLite or PostgreSQL, so that several workers can share it."""

from __future__ import annotations

import sqlite3
import time
import zlib
from typing import Any, Final

from sqlalchemy import Connection, event, func, select
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from whatsself_otel.demo.models import Base, Flow, FlowStep, Trigger

Sessions = async_sessionmaker[AsyncSession]

_BUSY_MS: Final = 30_000
"""How long SQLite waits for the other worker's transaction; each takes a few milliseconds."""
_RETRY_S: Final = 0.01
_DRIVERS: Final = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}


def open_database(url: str) -> AsyncEngine:
    """
    Return an engine for *url*.

    Args:
        url: SQLAlchemy URL; ``sqlite:`` and ``postgresql:`` get their asynchronous drivers.
    """
    parsed = make_url(url)
    parsed = parsed.set(drivername=_DRIVERS.get(parsed.drivername, parsed.drivername))
    engine = create_async_engine(parsed, hide_parameters=True, pool_size=5, max_overflow=5)
    if engine.dialect.name == "sqlite":
        event.listen(engine.sync_engine, "connect", _prepare_sqlite)
        event.listen(engine.sync_engine, "begin", _begin_immediate)
    return engine


def open_sessions(engine: AsyncEngine) -> Sessions:
    """Return the factory of database sessions; rows stay readable after commit."""
    return async_sessionmaker(engine, expire_on_commit=False)


async def lock(session: AsyncSession, name: str) -> None:
    """
    Hold *name* against every other worker until this transaction ends.

    On SQLite the transaction itself already excludes all others.
    """
    if session.get_bind().dialect.name == "postgresql":
        await session.execute(select(func.pg_advisory_xact_lock(zlib.crc32(name.encode()))))


async def create_schema(sessions: Sessions) -> None:
    """Create the tables and the example flows where they are missing; safe when workers start together."""
    async with sessions.begin() as session:
        await lock(session, "schema")
        connection = await session.connection()
        await connection.run_sync(Base.metadata.create_all)
        if not await session.scalar(select(func.count()).select_from(Flow)):
            session.add_all(_flows())
            await session.flush()
            session.add_all([*_steps(), *_triggers()])


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # Without this the driver opens transactions itself, late, and BEGIN IMMEDIATE below would be a second one.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
    _use_write_ahead_log(cursor)
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.close()


def _use_write_ahead_log(cursor: Any) -> None:
    # While another worker changes the mode, SQLite answers "database is locked" at once: the busy timeout has no say.
    deadline = time.monotonic() + _BUSY_MS / 1000
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_RETRY_S)
        else:
            return


def _begin_immediate(connection: Connection) -> None:
    # A transaction that reads first and writes later cannot wait for another writer: SQLite fails it at once.
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _flows() -> list[Flow]:
    return [
        Flow(id="flow_menu"),
        Flow(id="flow_prices"),
        Flow(id="flow_order"),
        Flow(id="flow_tour"),
        Flow(id="flow_opt_in", consent="opt_in"),
        Flow(id="flow_opt_out", consent="opt_out"),
    ]


def _triggers() -> list[Trigger]:
    words = {
        "menu": "flow_menu",
        "precos": "flow_prices",
        "pedido": "flow_order",
        "tour": "flow_tour",
        "entrar": "flow_opt_in",
        "sair": "flow_opt_out",
    }
    return [Trigger(id=f"trigger_{word}", keyword=word, flow_id=flow_id) for word, flow_id in words.items()]


def _steps() -> list[FlowStep]:
    return [
        FlowStep(flow_id="flow_menu", key="greeting", body="Olá! Que bom falar com você.", next_key="options"),
        FlowStep(flow_id="flow_menu", key="options", body="Responda PREÇOS, PEDIDO ou TOUR."),
        FlowStep(flow_id="flow_prices", key="table", body="Corte R$ 40, barba R$ 30, os dois R$ 60."),
        FlowStep(flow_id="flow_order", key="item", body="O que você quer pedir?", waits=True, next_key="address"),
        FlowStep(flow_id="flow_order", key="address", body="Para qual endereço?", waits=True, next_key="thanks"),
        FlowStep(flow_id="flow_order", key="thanks", body="Pedido anotado, obrigado!"),
        # Goes round for ever on purpose: the limit on automatic steps is what ends it.
        FlowStep(flow_id="flow_tour", key="next", body="Mais uma novidade para você.", next_key="next"),
        FlowStep(flow_id="flow_opt_in", key="welcome", body="Pronto, você vai receber novidades."),
        FlowStep(flow_id="flow_opt_out", key="goodbye", body="Pronto, você não vai mais receber mensagens."),
    ]
