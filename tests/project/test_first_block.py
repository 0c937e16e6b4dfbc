"""README's first block, typed where Python is only called python3 and refuses to be installed into."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from markdown_pages import ROOT, fences

from whatsself_otel.viewer.note import Note

NEEDED = ("sh", "dirname", "basename", "uname", "git")
"""Programs of a bare system that the block, or pip for it, calls."""


@pytest.fixture
def bare(tmp_path: Path) -> dict[str, str]:
    """Variables of a machine that has ``python3``, no ``python`` and no ``pip``."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in NEEDED:
        if (found := shutil.which(name)) is not None:
            (programs / name).symlink_to(found)
    (programs / "python3").symlink_to(Path(sys.executable).resolve())
    variables = {"PATH": str(programs), "HOME": str(tmp_path), "WHATSSELF_OTEL_DATA": str(tmp_path / "data")}
    passed_on = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_"))}
    return {**passed_on, **variables, "PIP_CONSTRAINT": str(ROOT / "constraints.txt")}


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A copy of what is committed or about to be, as a newcomer has it."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (tmp_path / "clone" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tmp_path / "clone" / name)
    return tmp_path / "clone"


@pytest.mark.e2e
@pytest.mark.skipif(sys.platform == "win32", reason="types the commands into a POSIX shell")
def test_the_first_block_works_where_there_is_no_python_by_that_name(
    bare: dict[str, str], clone: Path, tmp_path: Path
) -> None:
    first, second = (fence.text for fence in fences("README.md", "sh")[:2])
    install, _, view = first.strip().rpartition("\n")
    done = subprocess.run(["/bin/sh", "-ec", install], cwd=clone, env=bare, capture_output=True, text=True, check=False)
    if "No matching distribution" in done.stderr and os.environ.get("CI") != "true":
        pytest.skip("no package index answers")
    assert done.returncode == 0, done.stderr

    command = f". .venv/bin/activate; exec {view} --port 0 --no-grpc"  # the page's ports may be taken here
    with subprocess.Popen(["/bin/sh", "-ec", command], cwd=clone, env=bare, stdout=subprocess.DEVNULL) as viewer:
        try:
            wait_for_note(tmp_path / "data" / "viewer.json")
            shown = subprocess.run(
                ["/bin/sh", "-ec", second], cwd=clone, env=bare, capture_output=True, text=True, check=False
            )
        finally:
            viewer.terminate()
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.startswith("Stack: viewer, because it runs already")
    for part in ("POST /webhook/messages", "INSERT messages", "wait in queue", "send whatsapp", "acknowledge whatsapp"):
        assert part in shown.stdout


def wait_for_note(path: Path) -> None:
    deadline = time.monotonic() + 60
    while Note.read(path) is None:
        assert time.monotonic() < deadline, "the viewer did not start"
        time.sleep(0.1)
