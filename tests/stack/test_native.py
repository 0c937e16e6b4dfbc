"""Finding the real programs."""

from __future__ import annotations

import os
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
from rows import for_each

from whatsself_otel.stack import native
from whatsself_otel.stack.errors import MISSING, CommandError
from whatsself_otel.stack.paths import executable

if TYPE_CHECKING:
    from pathlib import Path


def _program(folder: Path, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / executable(name)
    path.write_text("", "utf-8")
    path.chmod(0o755)
    return path


def _wheel(site: Path, package: str, name: str) -> Path:
    """Lay out what native/wheels.py's wheel of *package* installs."""
    program = _program(site / f"whatsself_otel_{package}", name)
    (program.parent / "__init__.py").touch()
    return program


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """An empty cache and an empty PATH."""
    return {"WHATSSELF_OTEL_CACHE": str(tmp_path / "cache"), "PATH": str(tmp_path / "path")}


class TestFindBinary:
    """Variable, wheel, cache, PATH."""

    def test_finds_nothing_where_there_is_nothing(self, environ: dict[str, str]) -> None:
        assert native.find_binary("jaeger", environ) is None

    def test_path_is_the_last_resort(self, environ: dict[str, str], tmp_path: Path) -> None:
        on_path = _program(tmp_path / "path", "jaeger")

        assert native.find_binary("jaeger", environ) == on_path

    def test_the_cache_comes_before_path(self, environ: dict[str, str], tmp_path: Path) -> None:
        _program(tmp_path / "path", "jaeger")
        cached = _program(tmp_path / "cache" / "native" / "jaeger" / "1.0-abc", "jaeger")

        assert native.find_binary("jaeger", environ) == cached

    @for_each(
        "name, package",
        [
            ("jaeger", "jaeger"),
            (native.COLLECTOR, "collector"),
            ("promtool", "prometheus"),
            ("amtool", "alertmanager"),
        ],
    )
    def test_the_wheel_of_this_environment_comes_before_the_cache(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, package: str
    ) -> None:
        environ = {"WHATSSELF_OTEL_CACHE": str(tmp_path / "cache"), "PATH": str(tmp_path / "path")}
        _program(tmp_path / "cache" / "native" / "any" / "1.0-abc", name)
        installed = _wheel(tmp_path / "site", package, name)
        monkeypatch.syspath_prepend(tmp_path / "site")

        assert native.find_binary(name, environ) == installed

    def test_a_wheel_of_another_system_is_no_program_here(
        self, environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        _wheel(tmp_path / "site", "jaeger", "jaeger-of-another-system")
        monkeypatch.syspath_prepend(tmp_path / "site")

        assert native.find_binary("jaeger", environ) is None

    def test_the_newest_build_counts(self, environ: dict[str, str], tmp_path: Path) -> None:
        builds = [
            _program(tmp_path / "cache" / "native" / "jaeger" / key, "jaeger") for key in ("9-new", "1-old", "5-mid")
        ]
        for age, build in zip((0, 20, 10), builds, strict=True):
            os.utime(build.parent, (time.time() - age,) * 2)

        assert native.find_binary("jaeger", environ) == builds[0]

    @for_each("name", native.FOUND)
    def test_what_an_earlier_release_built_of_the_agpl_is_not_taken(self, tmp_path: Path, name: str) -> None:
        environ = {"WHATSSELF_OTEL_CACHE": str(tmp_path / "cache"), "PATH": str(tmp_path / "path")}
        _program(tmp_path / "cache" / "native" / name / "1.0-abc", name)

        assert native.find_binary(name, environ) is None

    def test_an_unfinished_build_is_no_build(self, environ: dict[str, str], tmp_path: Path) -> None:
        _program(tmp_path / "cache" / "native" / "jaeger" / ".unfinished-1.0-abc", "jaeger")

        assert native.find_binary("jaeger", environ) is None

    @for_each(
        "name, variable",
        [
            ("otelcol-whatsself", "OTELCOL_BIN"),
            ("victorialogs", "VICTORIALOGS_BIN"),
            ("loki", "LOKI_BIN"),
            ("tempo", "TEMPO_BIN"),
        ],
    )
    def test_the_variable_comes_first(self, tmp_path: Path, name: str, variable: str) -> None:
        environ = {"WHATSSELF_OTEL_CACHE": str(tmp_path / "cache"), "PATH": str(tmp_path / "path")}
        _program(tmp_path / "cache" / "native" / "x" / "1.0-abc", name)
        mine = _program(tmp_path / "mine", name)

        assert native.find_binary(name, environ | {variable: str(mine)}) == mine

    def test_a_variable_that_names_nothing_is_an_error(self, environ: dict[str, str]) -> None:
        with pytest.raises(CommandError, match="TEMPO_BIN names '/nowhere/tempo', which is not a file"):
            native.find_binary("tempo", environ | {"TEMPO_BIN": "/nowhere/tempo"})

    @for_each(
        "name, official",
        [
            (native.COLLECTOR, "otelcol-contrib"),
            ("victorialogs", "victoria-logs"),
            ("victorialogs", "victoria-logs-prod"),
        ],
    )
    def test_the_official_program_serves_too(self, tmp_path: Path, name: str, official: str) -> None:
        environ = {"WHATSSELF_OTEL_CACHE": str(tmp_path / "cache"), "PATH": str(tmp_path / "path")}
        downloaded = _program(tmp_path / "path", official)

        assert native.find_binary(name, environ) == downloaded


class TestMissing:
    """What to do without them."""

    def test_a_missing_program_is_said_with_the_remedy_and_its_own_status(self, environ: dict[str, str]) -> None:
        with pytest.raises(
            CommandError, match=r"victorialogs is not on this machine\. Run `python native/build\.py`"
        ) as caught:
            native.need_binary("victorialogs", environ)

        assert caught.value.status == MISSING

    def test_lists_what_is_missing(self, environ: dict[str, str], tmp_path: Path) -> None:
        _program(tmp_path / "path", "victorialogs")

        assert native.missing(("victorialogs", "jaeger"), environ) == ("jaeger",)

    @for_each("name", native.FOUND)
    def test_what_is_under_the_agpl_is_downloaded_and_not_built(self, name: str) -> None:
        assert f"https://github.com/grafana/{name}/releases" in native.remedy(name)


@pytest.fixture
def _no_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package knows of no checkout; these tests run in one."""
    monkeypatch.setattr(native, "checkout", lambda: None)


@pytest.mark.usefixtures("_no_checkout")
class TestInstalledPackage:
    """Without a clone nothing can be built."""

    def test_the_remedy_is_docker_or_wheels(self) -> None:
        assert native.remedy("jaeger").startswith("Use Docker, or install the wheels")

    def test_nothing_is_built(self, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[object] = []
        monkeypatch.setattr(subprocess, "run", lambda *arguments, **_: asked.append(arguments))

        native.ensure_built(environ)

        assert not native.buildable()
        assert asked == []


class TestEnsureBuilt:
    """Programs built before the stack starts."""

    @pytest.fixture(autouse=True)
    def _a_go_that_is_never_called(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Building here would take minutes; tests/native does it with a tiny module."""
        self.asked: list[list[str]] = []
        monkeypatch.setattr(native, "buildable", lambda: True)
        monkeypatch.setattr("whatsself_otel.stack.native.subprocess.run", self._note)

    def _note(self, command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        self.asked.append(command[2:])
        return subprocess.CompletedProcess(command, self.status)

    status = 0

    def test_everything_on_an_empty_machine(self, environ: dict[str, str]) -> None:
        native.ensure_built(environ)

        assert self.asked == [
            ["--only=collector", "--only=prometheus", "--only=victorialogs", "--only=jaeger", "--only=alertmanager"]
        ]

    def test_not_what_a_variable_names_nor_what_only_path_has(self, environ: dict[str, str], tmp_path: Path) -> None:
        _program(tmp_path / "path", "victorialogs")
        named = {native.variable(name): "/opt/it" for name in native.BUILT if name not in {"victorialogs", "jaeger"}}

        native.ensure_built(environ | named)

        assert self.asked == [["--only=jaeger"]]

    def test_not_what_a_wheel_brought(
        self, environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        _wheel(tmp_path / "site", "jaeger", "jaeger")
        monkeypatch.syspath_prepend(tmp_path / "site")

        native.ensure_built(environ)

        assert "--only=jaeger" not in self.asked[0]

    def test_what_is_in_the_cache_may_be_older_than_the_checkout(self, environ: dict[str, str], tmp_path: Path) -> None:
        _program(tmp_path / "cache" / "native" / "jaeger" / "1.0-abc", "jaeger")
        _program(tmp_path / "path", "jaeger")

        native.ensure_built(environ)

        assert "--only=jaeger" in self.asked[0]

    def test_a_failed_build_keeps_its_status(self, environ: dict[str, str]) -> None:
        self.status = 3

        with pytest.raises(CommandError, match="could not be built") as caught:
            native.ensure_built(environ)

        assert caught.value.status == 3
