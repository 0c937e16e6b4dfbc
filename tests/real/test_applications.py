"""Applications of three public shapes give equal answers with telemetry; all signals are there and no canary is."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis_server
from children import environment
from log_programs import ask, free_port, running
from otlp_sink import Sink, run_sink
from real_applications import BOT, FACTORY, TEMPLATE

PHONE = "5511987654321"
BODY = "segredo da Maria"
CANARIES = (PHONE[4:], "segredo", "Maria")
FAILURES = ("no answer from +", "gave up on +")


@dataclass(frozen=True)
class Seen:
    """An application's answer, output and exports."""

    answers: list[tuple[int, Any]]
    output: str
    sink: Sink

    def everything(self) -> str:
        return self.output + b"".join(export.body for export in self.sink.received).decode("utf-8", "replace")


def use(port: int, ready: Callable[[], object]) -> list[tuple[int, Any]]:
    """Ask an application everything that it answers."""
    url = f"http://127.0.0.1:{port}"
    ask(f"{url}/openapi.json")
    answers = [httpx.post(f"{url}/contacts", json={"phone": PHONE, "body": BODY}, trust_env=False, timeout=60)]
    ready()
    paths = (f"/contacts/{PHONE}", "/contacts/0", f"/fail/{PHONE}", "/none")
    answers += [httpx.get(url + path, trust_env=False, timeout=60) for path in paths]
    return [(answer.status_code, _content(answer)) for answer in answers]


def _content(answer: httpx.Response) -> Any:
    """Return an answer in one fixed order: SQLAlchemy orders the columns of a row by memory address."""
    return answer.json() if answer.headers["content-type"] == "application/json" else answer.text


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).write_text(text.lstrip(), encoding="utf-8")


def run_template(folder: Path, sink: Sink, variables: dict[str, str]) -> Seen:
    write(folder, TEMPLATE)
    make = [sys.executable, "-m", "alembic", "init", "migrations"]
    subprocess.run(make, cwd=folder, capture_output=True, check=True)
    settings = (
        (folder / "alembic.ini").read_text("utf-8").replace("driver://user:pass@localhost/dbname", "sqlite:///shop.db")
    )
    (folder / "alembic.ini").write_text(settings, encoding="utf-8")
    (folder / "migration.py").rename(folder / "migrations" / "versions" / "a1_contacts.py")
    port = free_port()
    command = [sys.executable, "-m", "fastapi", "run", "main.py", "--host", "127.0.0.1", "--port", str(port)]
    with running(sink, folder, command, **variables) as output:
        answers = use(port, lambda: None)
    return Seen(answers, output(), sink)


def run_factory(folder: Path, sink: Sink, variables: dict[str, str]) -> Seen:
    write(folder, FACTORY)
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "--factory", "factory:create_app", "--port", str(port)]
    with running(sink, folder, command, **variables) as output:
        answers = use(port, lambda: None)
    return Seen(answers, output(), sink)


def run_bot(folder: Path, sink: Sink, variables: dict[str, str]) -> Seen:
    write(folder, BOT)
    port = free_port()
    with ExitStack() as stack:
        url = stack.enter_context(redis_server.run_redis())
        redis_server.wait_until_it_answers(url)
        settings = {"REDIS_URL": url, **variables}
        work = [sys.executable, "-m", "rq.cli", "worker", "--burst", "--url", url, "-c", "bot"]

        def do_jobs() -> None:
            done = subprocess.run(
                work,
                cwd=folder,
                env=environment({"OTEL_EXPORTER_OTLP_ENDPOINT": sink.url, "PYTHONPATH": str(folder), **settings}),
                capture_output=True,
                text=True,
                check=False,
                timeout=120,
            )
            jobs.append(done.stdout + done.stderr)

        jobs: list[str] = []
        command = [sys.executable, "-m", "uvicorn", "bot:app", "--port", str(port)]
        with running(sink, folder, command, **settings) as output:
            answers = use(port, do_jobs)
            do_jobs()
        return Seen(answers, "".join([output(), *jobs]), sink)


SHAPES: dict[str, Callable[[Path, Sink, dict[str, str]], Seen]] = {
    "template": run_template,
    "factory": run_factory,
    "bot": run_bot,
}


@pytest.fixture(scope="module", params=SHAPES)
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Seen, Seen]]:
    """Run one application without telemetry and with it."""
    if request.param == "bot" and (reason := redis_server.absent()):
        pytest.skip(reason)
    with run_sink() as nothing, run_sink() as sink:
        run = SHAPES[request.param]
        without = run(tmp_path_factory.mktemp("without"), nothing, {})
        yield without, run(tmp_path_factory.mktemp("with"), sink, {"SHOP_TELEMETRY": "yes"})


def test_answers_are_equal(both: tuple[Seen, Seen]) -> None:
    without, seen = both
    assert [status for status, _ in without.answers][-3:] in ([404, 500, 404], [200, 500, 404])
    assert seen.answers == without.answers


def test_all_signals_are_there(both: tuple[Seen, Seen]) -> None:
    _, seen = both
    spans = {span.name for span in seen.sink.spans()}
    assert {"GET /contacts/{phone}", "POST /contacts", "GET /fail/{phone}"} <= spans
    assert any("contact" in name and name.split()[0] in {"INSERT", "SELECT"} for name in spans)
    assert "http.server.request.duration" in seen.sink.metrics()
    said = {record.scope for record in seen.sink.logs()}
    assert {"uvicorn.access", "uvicorn.error"} <= said
    assert said & {"app.contacts", "shop", "bot"}
    assert [record for record in seen.sink.logs() if "GET /contacts/" in record.body]
    assert any(failure in str(record.attributes) for record in seen.sink.logs() for failure in FAILURES)


def test_no_canary_is_anywhere(both: tuple[Seen, Seen]) -> None:
    without, seen = both
    assert [canary for canary in CANARIES if canary not in without.output + str(without.answers)] == []
    found = [canary for canary in CANARIES if canary in seen.everything()]
    lines = [line for line in seen.output.splitlines() for canary in CANARIES if canary in line]
    assert (found, lines) == ([], [])


def test_everything_is_exported_once(both: tuple[Seen, Seen]) -> None:
    _, seen = both
    (created,) = [span for span in seen.sink.spans() if span.name == "POST /contacts"]
    assert created.status_code != 2
    said = [record for record in seen.sink.logs() if record.scope in {"app.contacts", "shop", "bot"}]
    assert len(said) == len({(record.body, record.span_id) for record in said})
