"""A real Alertmanager with its waits taken away, a receiver for it, and alerts that are given to it."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from binaries import Program, free_ports, need, running

from whatsself_otel.stack.alerting import without_hours
from whatsself_otel.stack.native_stack import StackConfig, write_alertmanager_config

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@dataclass(slots=True)
class Inbox:
    """Notifications that a local receiver got."""

    url: str
    bodies: list[dict[str, Any]] = field(default_factory=list)


@contextmanager
def inbox() -> Iterator[Inbox]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    received = Inbox(f"http://127.0.0.1:{server.server_port}/hook")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield received
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def alertmanager(folder: Path, variables: dict[str, str], *, group_interval: str = "5m") -> Iterator[str]:
    write_alertmanager_config(StackConfig(data=folder, environ=variables))
    config = folder / "config" / "alertmanager" / "alertmanager.yml"
    # Half a minute of grouping, and warnings that wait for Monday, are the route's business and tested there.
    text = (
        config.read_text("utf-8")
        .replace("group_wait: 30s", "group_wait: 0s")
        .replace("group_wait: 10s", "group_wait: 0s")
    )
    text = text.replace("group_interval: 5m", f"group_interval: {group_interval}")
    config.write_text(without_hours(text), "utf-8")
    with serving(config) as url:
        yield url


@contextmanager
def serving(config: Path) -> Iterator[str]:
    """Run Alertmanager with the file *config*, below whose folder its data lies too, and return its address."""
    folder = config.parent.parent.parent
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    program = Program(
        command=[
            need("alertmanager"),
            f"--config.file={config}",
            f"--storage.path={folder / 'alertmanager'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--cluster.listen-address=",
        ],
        ready_url=f"{url}/-/ready",
        environ={},
        log=folder / "alertmanager.log",
    )
    with running(program):
        yield url


def fire(url: str, *labels: dict[str, str], annotations: dict[str, str] | None = None, ends: str | None = None) -> None:
    alerts = [
        {"labels": each, "annotations": annotations or {}, **({"endsAt": ends} if ends else {})} for each in labels
    ]
    request = urllib.request.Request(
        f"{url}/api/v2/alerts", json.dumps(alerts).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200


def wait_for(condition: Callable[[], Any], what: str) -> Any:
    deadline_s = time.monotonic() + 30
    while not (found := condition()):
        assert time.monotonic() < deadline_s, f"{what} did not happen"
        time.sleep(0.1)
    return found
