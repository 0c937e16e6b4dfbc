"""Real servers and tools that configure logging after set-up, in the same process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from children import environment
from log_programs import MASKED, PHONE, ask, free_port, running, wait_for
from otlp_sink import Log, Sink

APPLICATION = """
import contextlib, logging, os
from fastapi import FastAPI
from whatsself_otel import setup_telemetry

{before}

@contextlib.asynccontextmanager
async def lifespan(_app):
    {started}
    yield

app = FastAPI(lifespan=lifespan)
telemetry = setup_telemetry(app=app)

@app.get("/contacts/{{phone}}")
def read(phone: str):
    logging.getLogger("shop").info("read %s", phone)
    return telemetry.health().problems

@app.get("/fail")
def fail():
    raise ValueError("to +{phone}")

{after}
"""


def write_application(folder: Path, *, before: str = "", started: str = "pass", after: str = "") -> None:
    source = APPLICATION.format(before=before, started=started, after=after, phone=PHONE)
    (folder / "shop.py").write_text(source, encoding="utf-8")


def use(sink: Sink, port: int, output: Callable[[], str]) -> list[Log]:
    """Call the server, which answers and fails; return the exports once all have arrived."""
    url = f"http://127.0.0.1:{port}"
    assert ask(f"{url}/contacts/{PHONE}?to=%2B{PHONE}") == "200 []"
    assert ask(f"{url}/fail") == "500 Internal Server Error"
    wait_for(lambda: len(find(sink, "uvicorn.access", "GET")) == 2 and find(sink, "uvicorn.error", "Exception"), output)
    return sink.logs()


def find(sink: Sink, logger: str, words: str) -> list[Log]:
    return [record for record in sink.logs() if record.scope == logger and words in record.body]


def check(sink: Sink, output: str) -> None:
    """Everything was exported once and shown masked, and nothing raw was shown."""
    (access, _) = find(sink, "uvicorn.access", "GET")
    assert f"GET /contacts/{MASKED}?to=" in access.body
    assert [record.body for record in find(sink, "shop", "read")] == [f"read {MASKED}"]
    (failed,) = find(sink, "uvicorn.error", "Exception in ASGI application")
    assert failed.attributes["exception.message"] == f"to {MASKED}"
    everything = output + b"".join(export.body for export in sink.received).decode("utf-8", "replace")
    assert PHONE[4:] not in everything
    assert f"GET /contacts/{MASKED}" in output


def test_uvicorn_run_in_the_process_of_the_set_up(sink: Sink, tmp_path: Path) -> None:
    port = free_port()
    write_application(tmp_path, after=f"import uvicorn\nuvicorn.run(app, port={port})")
    with running(sink, tmp_path, [sys.executable, "shop.py"]) as output:
        use(sink, port, output)
    check(sink, output())


def test_fastapi_run(sink: Sink, tmp_path: Path) -> None:
    port = free_port()
    write_application(tmp_path)
    command = [sys.executable, "-m", "fastapi", "run", "shop.py", "--host", "127.0.0.1", "--port", str(port)]
    with running(sink, tmp_path, command) as output:
        use(sink, port, output)
    check(sink, output())


def test_fastapi_run_on_a_terminal(sink: Sink, tmp_path: Path) -> None:
    """There it configures handlers and formatters of rich's."""
    port = free_port()
    write_application(tmp_path)
    leader, follower = pytest.importorskip("pty", reason="no pseudo-terminals here").openpty()
    server = subprocess.Popen(
        [sys.executable, "-m", "fastapi", "run", "shop.py", "--host", "127.0.0.1", "--port", str(port)],
        cwd=tmp_path,
        env=environment({"OTEL_EXPORTER_OTLP_ENDPOINT": sink.url, "OTEL_BLRP_SCHEDULE_DELAY": "100"}),
        stdout=follower,
        stderr=follower,
    )
    os.close(follower)
    try:
        use(sink, port, lambda: "on a terminal")
    finally:
        server.terminate()
        server.wait(60)
    shown = b""
    while True:
        try:
            shown += os.read(leader, 65_536)
        except OSError:  # the other end is closed
            break
    os.close(leader)
    check(sink, shown.decode("utf-8", "replace").replace("\r\n", "\n"))


MIGRATION = '''
"""first"""
import logging
from alembic import op
revision, down_revision = "a1", None
def upgrade():
    logging.getLogger("alembic.env").info("for +{phone}")
    op.execute("create table contact (phone text)")
'''
MIGRATE = "from alembic import command, config; command.upgrade(config.Config('alembic.ini'), 'head')"


@pytest.mark.parametrize("when", ["in the lifespan", "at import", "at import, before the set-up"])
def test_alembics_generated_environment(sink: Sink, tmp_path: Path, when: str) -> None:
    """The env.py that ``alembic init`` writes calls fileConfig(), which disables loggers and raises the level."""
    made = subprocess.run(
        [sys.executable, "-m", "alembic", "init", "migrations"], cwd=tmp_path, capture_output=True, check=False
    )
    assert made.returncode == 0, made.stderr
    settings = tmp_path / "alembic.ini"
    text = settings.read_text("utf-8")
    settings.write_text(text.replace("driver://user:pass@localhost/dbname", "sqlite:///shop.db"), encoding="utf-8")
    (tmp_path / "migrations" / "versions" / "a1_first.py").write_text(MIGRATION.format(phone=PHONE), encoding="utf-8")
    place = {"in the lifespan": "started", "at import": "after"}.get(when, "before")
    port = free_port()
    write_application(tmp_path, **{place: MIGRATE})
    with running(sink, tmp_path, [sys.executable, "-m", "uvicorn", "shop:app", "--port", str(port)]) as output:
        use(sink, port, output)

    said = [record.body for record in find(sink, "alembic.env", "for")]
    assert said == ([] if place == "before" else [f"for {MASKED}"])  # what was written before the set-up is not ours
    check(sink, output().replace(f"INFO  [alembic.env] for +{PHONE}\n", "", place == "before"))


TASKS = """
import logging, sys
from celery import Celery
from celery.utils.log import get_task_logger
from whatsself_otel import setup_telemetry

app = Celery("tasks", broker="filesystem://")
folders = {{"data_folder_in": "queue", "data_folder_out": "queue", "control_folder": "control"}}
app.conf.broker_transport_options = folders
app.conf.worker_hijack_root_logger = {hijack}
telemetry = setup_telemetry()

@app.task
def send(phone):
    logging.getLogger("shop").info("sending to +%s", phone)
    get_task_logger(__name__).warning("task for +%s", phone)
    print("printed for +" + phone)
    print("printed to errors for +" + phone, file=sys.stderr)
    raise ValueError("no answer from +" + phone)
"""


@pytest.mark.parametrize("hijack", [True, False])
@pytest.mark.parametrize("pool", ["solo", "prefork"])
def test_celerys_worker(sink: Sink, tmp_path: Path, pool: str, hijack: bool) -> None:  # noqa: FBT001 - a case
    """It empties the root logger's handlers, adds its own, and makes records of what tasks print."""
    for folder in ("queue", "control"):
        (tmp_path / folder).mkdir()
    (tmp_path / "tasks.py").write_text(TASKS.format(hijack=hijack), encoding="utf-8")
    options = ["--loglevel", "info", "--pool", pool, "--concurrency", "1", "--without-mingle", "--without-gossip"]
    command = [sys.executable, "-m", "celery", "-A", "tasks", "worker", *options]
    expected = {
        ("shop", f"sending to {MASKED}"),
        ("tasks", f"task for {MASKED}"),
        ("celery.redirected", f"printed for {MASKED}"),
        ("celery.redirected", f"printed to errors for {MASKED}"),
    }

    def missing() -> set[tuple[str, str]]:
        return expected - {(record.scope, record.body) for record in sink.logs()}

    with running(sink, tmp_path, command) as output:
        wait_for(lambda: "ready." in output(), output)
        sent = subprocess.run(
            [sys.executable, "-c", f"import tasks; tasks.send.delay('{PHONE}')"],
            cwd=tmp_path,
            env=environment(OTEL_SDK_DISABLED="true"),
            capture_output=True,
            check=False,
        )
        assert sent.returncode == 0, sent.stderr
        wait_for(lambda: not missing() and find(sink, "celery.app.trace", "raised unexpected"), missing)

    shown = output()
    lines = [line for line in shown.splitlines() if line.startswith("{")]
    for _, body in expected:
        assert len([line for line in lines if body in line]) == len([each for each in sink.logs() if each.body == body])
        assert len([each for each in sink.logs() if each.body == body]) == 1
    raw = b"".join(export.body for export in sink.received).decode("utf-8", "replace")
    assert PHONE[4:] not in shown + raw
