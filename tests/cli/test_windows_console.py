"""What of Windows can be shown elsewhere: its own errors, flags and paths, at the places that ask for the platform."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
from pathlib import Path, PureWindowsPath

import pytest

from whatsself_otel.cli import audit, main, stack
from whatsself_otel.masking.audit import Report


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")


class ClosedPipe(io.RawIOBase):
    """A pipe whose reader closed it, as on Windows."""

    def __init__(self, file: int) -> None:
        self._file = file

    def fileno(self) -> int:
        return self._file

    def writable(self) -> bool:
        return True

    def write(self, _data: object) -> int:
        raise OSError(errno.EINVAL, "Invalid argument")


@pytest.mark.usefixtures("windows")
def test_a_reader_that_has_enough_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = os.open(tmp_path / "pipe", os.O_CREAT | os.O_WRONLY)
    pipe = ClosedPipe(file)
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BufferedWriter(pipe), encoding="cp1252"))

    assert main(["vendors", "list"]) == 1

    monkeypatch.setattr(ClosedPipe, "write", lambda _self, data: len(bytes(data)))  # what was kept goes nowhere
    os.close(file)


@pytest.mark.usefixtures("windows")
def test_what_is_detached_has_no_console_and_a_group_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, object] = {}
    monkeypatch.setattr(subprocess, "DETACHED_PROCESS", 8, raising=False)
    monkeypatch.setattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 512, raising=False)
    monkeypatch.setattr(subprocess, "Popen", lambda _command, **given: asked.update(given))
    stack._spawn_detached(["python"], None, {})

    assert asked["creationflags"] == 8 | 512
    assert "start_new_session" not in asked


def test_a_path_with_backslashes_is_shown_as_it_is_typed() -> None:
    path = str(PureWindowsPath("C:/Users/Ana/app.log"))

    told = audit._as_lines(path, Report([], 1, 3, []), [])

    assert told.startswith("C:\\Users\\Ana\\app.log: nothing personal found")
