"""Three public applications' shapes, rebuilt small: each runs with telemetry and without, by one variable."""

from __future__ import annotations

from typing import Final

TEMPLATE: Final = {
    "main.py": """
import contextlib, logging, os
from alembic import command
from alembic.config import Config
from fastapi import FastAPI, HTTPException
from sqlmodel import Field, Session, SQLModel, create_engine, select

log = logging.getLogger("app.contacts")
engine = create_engine("sqlite:///shop.db")


class Contact(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    phone: str
    body: str


@contextlib.asynccontextmanager
async def lifespan(app):
    command.upgrade(Config("alembic.ini"), "head")
    yield


app = FastAPI(lifespan=lifespan)
if os.environ.get("SHOP_TELEMETRY"):
    from whatsself_otel import setup_telemetry
    setup_telemetry(app, engine)


@app.post("/contacts", status_code=201)
def create(contact: Contact) -> Contact:
    with Session(engine) as session:
        session.add(contact)
        session.commit()
        session.refresh(contact)
    log.info("created %s with %r", contact.phone, contact)
    return contact


@app.get("/contacts/{phone}")
def read(phone: str) -> Contact:
    with Session(engine) as session:
        found = session.exec(select(Contact).where(Contact.phone == phone)).first()
    if found is None:
        raise HTTPException(404, "no such contact")
    print(f"read {found.id}")
    return found


@app.get("/fail/{phone}")
def fail(phone: str) -> None:
    raise ValueError(f"no answer from +{phone}")
""",
    "migration.py": '''
"""contacts"""
import sqlalchemy
from alembic import op
revision, down_revision = "a1", None


def upgrade():
    op.create_table(
        "contact",
        sqlalchemy.Column("id", sqlalchemy.Integer, primary_key=True),
        sqlalchemy.Column("phone", sqlalchemy.String),
        sqlalchemy.Column("body", sqlalchemy.String),
    )
''',
}
"""The full-stack template: SQLModel, migrations in the lifespan, `fastapi run`."""

FACTORY: Final = {
    "factory.py": """
import contextlib, logging, logging.config, os
import structlog
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

SHARED = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso"),
    structlog.processors.StackInfoRenderer(),
]


def configure_logging():
    structlog.configure(
        processors=[*SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    logging.config.dictConfig({
        "version": 1,
        "disable_existing_loggers": True,
        "formatters": {"console": {
            "()": structlog.stdlib.ProcessorFormatter,
            "processor": structlog.dev.ConsoleRenderer(colors=False),
            "foreign_pre_chain": SHARED,
        }},
        "handlers": {"default": {"class": "logging.StreamHandler", "formatter": "console"}},
        "loggers": {"": {"handlers": ["default"], "level": "INFO"}},
    })


def create_app():
    engine = create_async_engine("sqlite+aiosqlite:///shop.db", echo=True)
    log = structlog.get_logger("shop")

    @contextlib.asynccontextmanager
    async def lifespan(app):
        async with engine.begin() as connection:
            await connection.execute(text("create table contact (phone text, body text)"))
        yield
        await engine.dispose()

    app = FastAPI(lifespan=lifespan)
    if os.environ.get("SHOP_TELEMETRY"):
        from whatsself_otel import setup_telemetry
        setup_telemetry(app, engine)
    configure_logging()

    @app.post("/contacts", status_code=201)
    async def create(contact: dict[str, str]):
        with structlog.contextvars.bound_contextvars(phone=contact["phone"]):
            async with engine.begin() as connection:
                await connection.execute(text("insert into contact values (:phone, :body)"), contact)
            log.info("created", body=contact["body"])
        return contact

    @app.get("/contacts/{phone}")
    async def read(phone: str):
        async with engine.connect() as connection:
            statement = text("select phone, body from contact where phone = :phone")
            return [list(row) for row in await connection.execute(statement, {"phone": phone})]

    @app.get("/fail/{phone}")
    async def fail(phone: str):
        try:
            raise KeyError(f"+{phone}")
        except KeyError:
            log.exception("no answer", to=phone)
        raise ValueError(f"no answer from +{phone}")

    return app
""",
}
"""A factory with asynchronous SQLAlchemy and structlog's ProcessorFormatter, configured after set-up."""

BOT: Final = {
    "bot.py": """
import logging, os
from fastapi import FastAPI
from redis import Redis
from rq import Queue
from sqlalchemy import create_engine, text

logging.basicConfig(level=logging.INFO)
app = FastAPI()
engine = create_engine("sqlite:///shop.db", echo=True)
queue = Queue(connection=Redis.from_url(os.environ["REDIS_URL"]))
if os.environ.get("SHOP_TELEMETRY"):
    from whatsself_otel import setup_telemetry
    from whatsself_otel.integrations import instrument_rq
    setup_telemetry(app, engine)
    instrument_rq()
with engine.begin() as connection:
    connection.execute(text("create table if not exists contact (phone text, body text)"))


@app.post("/contacts", status_code=202)
def receive(contact: dict[str, str]):
    queue.enqueue("bot.reply", contact["phone"], contact["body"])
    return {"queued": True}


@app.get("/contacts/{phone}")
def read(phone: str):
    with engine.connect() as connection:
        rows = connection.execute(text("select phone, body from contact where phone = :phone"), {"phone": phone})
        return [list(row) for row in rows]


@app.get("/fail/{phone}")
def fail(phone: str):
    queue.enqueue("bot.give_up", phone)
    raise ValueError(f"no answer from +{phone}")


def reply(phone, body):
    with engine.begin() as connection:
        connection.execute(text("insert into contact values (:phone, :body)"), {"phone": phone, "body": body})
    logging.getLogger("bot").info("replied to +%s", phone)


def give_up(phone):
    raise RuntimeError(f"gave up on +{phone}")
""",
}
"""A bot whose replies are jobs of RQ, and whose engine echoes."""
