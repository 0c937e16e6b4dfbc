"""Calls of Compose. A script stands in for Docker, because not every machine has an engine."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from whatsself_otel.stack import containers
from whatsself_otel.stack.errors import CommandError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a shell script")

UP = """
case "$*" in
  *" port otelcol 4318") echo 127.0.0.1:44318 ;;
  *" port loki 3100") echo "[::]:43100" ;;
  *" port "*) echo 127.0.0.1:40000 ;;
esac
"""


@pytest.fixture
def make_docker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
    def make(script: str) -> None:
        program = tmp_path / "docker"
        program.write_text(f"#!/bin/sh\n{script}")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    return make


class TestRunning:
    def test_the_published_ports_are_taken_as_compose_tells_them(self, make_docker: Callable[[str], None]) -> None:
        make_docker(UP)
        addresses = containers.running()

        assert addresses is not None
        assert addresses.otlp_http == "http://127.0.0.1:44318"
        assert addresses.loki == "http://127.0.0.1:43100"

    def test_one_container_that_is_down_is_not_running(self, make_docker: Callable[[str], None]) -> None:
        make_docker('case "$*" in *" port tempo "*) exit 1 ;; esac' + UP)

        assert containers.running() is None

    def test_a_port_that_is_not_published_is_not_running(self, make_docker: Callable[[str], None]) -> None:
        make_docker('case "$*" in *" port "*) echo :0 ;; esac')

        assert containers.running() is None


class TestProblem:
    def test_none_when_compose_accepts_the_file(self, make_docker: Callable[[str], None]) -> None:
        make_docker("exit 0")

        assert containers.problem() is None

    def test_what_compose_says_about_a_missing_variable(self, make_docker: Callable[[str], None]) -> None:
        make_docker('case "$*" in *" config --quiet") echo one >&2; echo "PASSWORD is missing" >&2; exit 1 ;; esac')

        assert containers.problem() == "PASSWORD is missing"

    def test_no_docker_at_all(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))

        assert "Docker is not installed" in str(containers.problem())


class TestStart:
    def test_containers_that_start_are_told_by_their_ports(self, make_docker: Callable[[str], None]) -> None:
        make_docker(UP)

        assert containers.start().loki == "http://127.0.0.1:43100"

    def test_containers_that_do_not_start_are_an_error_with_a_way_out(self, make_docker: Callable[[str], None]) -> None:
        make_docker("exit 1")

        with pytest.raises(CommandError, match="--stack python"):
            containers.start()
