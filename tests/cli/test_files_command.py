"""`files export` writes the package's files, and overwrites nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from markdown_pages import ROOT

from whatsself_otel.cli import main


def test_what_is_exported_is_what_is_shipped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["files", "export", str(tmp_path / "mine")]) == 0
    exported = {path.relative_to(tmp_path / "mine") for path in (tmp_path / "mine").rglob("*") if path.is_file()}
    assert {Path("collector/config.yaml"), Path("docker-compose.yml")} < exported
    assert any(path.match("backends/prometheus/rules/*.yml") for path in exported)
    assert all((tmp_path / "mine" / path).read_bytes() == (ROOT / path).read_bytes() for path in exported)
    assert capsys.readouterr().out == f"{len(exported)} files are in {tmp_path / 'mine'}.\n"


def test_again_is_allowed_and_a_changed_file_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        assert main(["files", "export", str(tmp_path)]) == 0
    changed = tmp_path / "collector" / "config.yaml"
    changed.write_text("mine")
    assert main(["files", "export", str(tmp_path)]) == 2
    assert "collector/config.yaml for one: nothing was written" in capsys.readouterr().err
    assert changed.read_text() == "mine"
