"""
Async SQLAlchemy with PostgreSQL: every statement is a span, its values are not on it, and the pool is measured.

    pip install '.[demo,postgres]'     # from the project's folder
    DATABASE_URL=postgresql+asyncpg://shop@localhost/shop uvicorn --app-dir examples async_postgres:app
"""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from whatsself_otel import message_context, setup_telemetry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Base(DeclarativeBase):
    """The tables."""


class Message(Base):
    """One message of a contact."""

    __tablename__ = "messages"

    id: Mapped[str] = mapped_column(primary_key=True)
    body: Mapped[str]


engine = create_async_engine(os.environ["DATABASE_URL"])
Session = async_sessionmaker(engine, class_=AsyncSession)


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Make the tables, and close the connections at the end."""
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield
    await engine.dispose()


app = FastAPI(lifespan=lifespan)
telemetry = setup_telemetry(app=app, engine=engine)


@app.post("/messages/{message_id}")
async def receive(message_id: str, contact_id: str, body: str) -> None:
    """Store one message."""
    with message_context(contact_id=contact_id, message_id=message_id):
        async with Session.begin() as session:
            session.add(Message(id=message_id, body=body))
        telemetry.metrics.message_inbound(kind="text", contact_id=contact_id)
