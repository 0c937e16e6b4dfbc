"""Two viewers of one user: the one that came first is the one that other commands find."""

from __future__ import annotations

from pathlib import Path

from whatsself_otel.viewer.note import Note
from whatsself_otel.viewer.server import Viewer, ViewerConfig


def test_a_second_viewer_takes_the_note_of_the_first_neither_at_its_start_nor_at_its_end(tmp_path: Path) -> None:
    config = ViewerConfig(port=0, grpc_port=None, note=tmp_path / "viewer.json")
    with Viewer(config) as first:
        with Viewer(config):
            assert Note.read(tmp_path / "viewer.json") == Note(url=first.url, token=first.token)
        assert Note.read(tmp_path / "viewer.json") == Note(url=first.url, token=first.token)
    assert Note.read(tmp_path / "viewer.json") is None


def test_a_note_that_was_left_behind_is_written_anew(tmp_path: Path) -> None:
    Note(url="http://127.0.0.1:9", token="old").write(tmp_path / "viewer.json")  # noqa: S106 - of nobody
    with Viewer(ViewerConfig(port=0, grpc_port=None, note=tmp_path / "viewer.json")) as viewer:
        assert Note.read(tmp_path / "viewer.json") == Note(url=viewer.url, token=viewer.token)
