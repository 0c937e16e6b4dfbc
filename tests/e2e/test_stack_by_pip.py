"""The page about the stack by pip, walked on a machine that has Python alone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from binaries import COLLECTOR, ROOT, need
from markdown_pages import commands

from whatsself_otel.stack.addresses import Addresses
from whatsself_otel.stack.errors import MISSING

PAGE = "docs/stack.md"
PROGRAMS = {COLLECTOR, "prometheus", "victorialogs", "jaeger", "alertmanager"}

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(sys.platform != "linux", reason="looks for what runs in /proc"),
    pytest.mark.skipif(shutil.which("go") is None, reason="Go is not on this machine"),
]


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """The folder that ``make wheels`` makes, under the name that the page gives it on the other machine."""
    need(COLLECTOR)
    folder = tmp_path / "wheels"
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    subprocess.run([*pip, "--wheel-dir", str(folder), str(ROOT)], env={**os.environ, "PATH": path}, check=True)
    subprocess.run([sys.executable, str(ROOT / "native" / "wheels.py"), "--out", str(folder)], check=True)
    return folder


@pytest.fixture
def bare(tmp_path: Path) -> dict[str, str]:
    """Variables of a machine with a virtual environment and nothing else: no Go, no Docker, no cache."""
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    (tmp_path / "tmp").mkdir()
    passed_on = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_"))}
    return {
        **passed_on,
        **Addresses.free().environment,
        "PATH": str(tmp_path / "venv" / "bin"),
        "HOME": str(tmp_path / "home"),
        "TMPDIR": str(tmp_path / "tmp"),
        "PIP_CONSTRAINT": str(ROOT / "constraints.txt"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "WHATSSELF_OTEL_CACHE": str(tmp_path / "cache"),
        "WHATSSELF_OTEL_DATA": str(tmp_path / "data"),
    }


@pytest.mark.usefixtures("wheels")
def test_a_message_is_found_in_every_backend_and_nothing_is_left(bare: dict[str, str], tmp_path: Path) -> None:
    install, programs, up, demo, down = [line for line in commands(PAGE) if not line.startswith("make")]
    done = typed(install, bare, tmp_path)
    if "No matching distribution" in done.stderr and os.environ.get("CI") != "true":
        pytest.skip("no package index answers")
    assert done.returncode == 0, done.stderr
    absent = typed(up, bare, tmp_path)
    assert absent.returncode == MISSING, absent.stdout
    assert "--find-links" in absent.stderr
    done = typed(programs, bare, tmp_path)
    assert done.returncode == 0, done.stderr
    before = files(tmp_path)

    started = typed(up, bare, tmp_path)
    try:
        running = programs_below(tmp_path)
        shown = typed(f"{demo} --json", bare, tmp_path)
    finally:
        stopped = typed(down, bare, tmp_path)

    assert started.returncode == 0, started.stdout + started.stderr
    assert running == PROGRAMS
    assert shown.returncode == 0, shown.stdout + shown.stderr
    found = {answer["program"]: answer["found"] for answer in json.loads(shown.stdout)["answers"]}
    assert {"jaeger", "victorialogs", "prometheus"} <= {name for name, count in found.items() if count}
    assert stopped.returncode == 0, stopped.stderr
    assert programs_below(tmp_path) == set()
    assert files(tmp_path) == before


def typed(command: str, environ: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", "-c", command], cwd=folder, env=environ, capture_output=True, text=True, check=False, timeout=600
    )


def files(folder: Path) -> list[Path]:
    """Return every file but those of the data folder."""
    return sorted(path for path in folder.rglob("*") if path.relative_to(folder).parts[0] != "data")


def programs_below(folder: Path) -> set[str]:
    """Return the names of the programs in *folder* that run."""
    names = set()
    for link in Path("/proc").glob("[0-9]*/exe"):
        try:
            program = link.readlink()
        except OSError:
            continue
        if program.is_relative_to(folder):
            names.add(program.name)
    return names
