"""The page of first steps, walked as a newcomer walks it: its commands in order, its code saved under its name."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from binaries import free_ports
from markdown_pages import commands, fences, read

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAGE = "docs/first-steps.md"
FOUND_WITHIN_S = 30.0
BEFORE = ("python3 -m venv .venv", ". .venv/bin/activate", 'pip install ".[demo]"', "whatsself-otel demo")


def walk(folder: Path, programs: Path) -> list[dict[str, Any]]:
    """
    Follow the page after its installation; return the traces that the viewer's page finds for one's own message.

    Only the ports differ, because those of the page may be taken.

    Args:
        folder: Where the newcomer works.
        programs: Where the installation has put ``python`` and ``whatsself-otel``.
    """
    # The installation and the demo before it: tests/project/test_first_block.py.
    view, serve, send = (line for line in commands(PAGE) if line not in BEFORE)
    (port,) = free_ports(1)
    name = re.findall(r"`(\w+\.py)`", read(PAGE))[0]
    (folder / name).write_text(fences(PAGE, "python")[0].text, encoding="utf-8")
    environ = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    environ["WHATSSELF_OTEL_DATA"] = str(folder / "data")
    with ExitStack() as stack:
        viewer = stack.enter_context(_running(f"{view} --json --port 0 --no-grpc", folder, environ))
        assert viewer.stdout is not None
        where = json.loads(viewer.stdout.readline())
        environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = where["endpoint"]
        stack.enter_context(_running(f"exec {serve} --port {port}", folder, environ))
        _until_served(f"http://127.0.0.1:{port}/health")
        subprocess.run(send.replace(":8000/", f":{port}/"), shell=True, cwd=folder, env=environ, check=True)  # noqa: S602
        return _found(where, "message-1")


@contextmanager
def _running(command: str, folder: Path, environ: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    command = command if command.startswith("exec ") else f"exec {command}"
    with subprocess.Popen(  # noqa: S602 - typed into a shell, as the page says
        command, shell=True, cwd=folder, env=environ, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.communicate(timeout=30)


def _until_served(url: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except urllib.error.HTTPError as error:
            error.close()
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"nothing answers at {url}")


def _found(where: dict[str, str], message_id: str) -> list[dict[str, Any]]:
    request = urllib.request.Request(
        f"{where['endpoint']}/api/find?id={message_id}", headers={"Authorization": f"Bearer {where['token']}"}
    )
    deadline = time.monotonic() + FOUND_WITHIN_S
    while time.monotonic() < deadline:
        with urllib.request.urlopen(request, timeout=10) as answer:
            traces: list[dict[str, Any]] = json.load(answer)["traces"]
        if any(trace["spans"] for trace in traces):  # log lines leave sooner
            return traces
        time.sleep(0.2)
    return []
