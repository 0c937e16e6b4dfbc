"""native/build.py, with a tiny Go module and the real Go."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rows import for_each

from whatsself_otel.stack import native, paths

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).parent.parent.parent
HELLO = 'package main\n\nfunc main() { println("hello") }\n'

needs_go = pytest.mark.skipif(shutil.which("go") is None, reason="Go is not on this machine")


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("native_build", ROOT / "native" / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up by name.
    sys.modules["native_build"] = module
    spec.loader.exec_module(module)
    return module


build = _load()
PROGRAM = build.Program(name="tiny", binaries={"tiny": "."}, module="example.org/none", cold_s=1)


@pytest.fixture
def work(tmp_path: Path) -> object:
    """A workspace with one module of one file that needs nothing."""
    source = tmp_path / "modules" / "tiny"
    source.mkdir(parents=True)
    (source / "go.mod").write_text("module example.org/tiny\n\ngo 1.21\n", "utf-8")
    (source / "main.go").write_text(HELLO, "utf-8")
    return build.Workspace(modules=tmp_path / "modules", cache=tmp_path / "cache")


def _run(binary: str) -> str:
    return subprocess.run([binary], capture_output=True, text=True, check=True).stderr


@needs_go
class TestBuild:
    """One program."""

    def test_makes_a_program_that_runs(self, work: object) -> None:
        built = build.build(work, PROGRAM)

        assert _run(built.binaries["tiny"]) == "hello\n"

    def test_keeps_what_is_built_already(self, work: object) -> None:
        first = build.build(work, PROGRAM)
        before = Path(first.binaries["tiny"]).stat().st_mtime_ns

        second = build.build(work, PROGRAM)

        assert Path(second.binaries["tiny"]).stat().st_mtime_ns == before

    def test_builds_again_beside_the_old_one_when_a_source_changed(self, work: object, tmp_path: Path) -> None:
        old = build.build(work, PROGRAM)
        (tmp_path / "modules" / "tiny" / "main.go").write_text(HELLO.replace("hello", "olá"), "utf-8")

        new = build.build(work, PROGRAM)

        assert [_run(old.binaries["tiny"]), _run(new.binaries["tiny"])] == ["hello\n", "olá\n"]

    @pytest.mark.usefixtures("work")
    def test_going_back_to_an_older_version_makes_it_the_one_in_use(self, tmp_path: Path) -> None:
        source = tmp_path / "modules" / "tiny" / "main.go"
        inside = build.Workspace(modules=tmp_path / "modules", cache=tmp_path / "native")
        old = build.build(inside, PROGRAM)
        os.utime(Path(old.binaries["tiny"]).parent, (1, 1))
        source.write_text(HELLO.replace("hello", "olá"), "utf-8")
        build.build(inside, PROGRAM)
        source.write_text(HELLO, "utf-8")
        build.build(inside, PROGRAM)

        assert native.find_binary("tiny", {"WHATSSELF_OTEL_CACHE": str(tmp_path)}) == Path(old.binaries["tiny"])

    def test_a_failed_build_names_its_log_and_leaves_nothing_that_looks_built(
        self, work: object, tmp_path: Path
    ) -> None:
        (tmp_path / "modules" / "tiny" / "main.go").write_text("package main\n\nfunc main() { nonsense() }\n", "utf-8")

        with pytest.raises(build.BuildError, match=r"build\.log ends with:\n(.*\n)*.*undefined: nonsense"):
            build.build(work, PROGRAM)

        assert not build.inspect(work, PROGRAM).built

    def test_goes_on_after_a_build_that_was_cut_off(self, work: object, tmp_path: Path) -> None:
        unfinished = tmp_path / "cache" / "tiny" / ".unfinished-0-abc"
        unfinished.mkdir(parents=True)
        (unfinished / "tiny").write_text("half a program", "utf-8")

        built = build.build(work, PROGRAM)

        assert _run(built.binaries["tiny"]) == "hello\n"
        assert not unfinished.exists()

    @pytest.mark.usefixtures("work")
    def test_a_second_builder_waits_and_takes_what_the_first_one_made(self, tmp_path: Path) -> None:
        code = (
            "import sys; sys.path.insert(0, sys.argv[1]); import pathlib, build;"
            "build.build(build.Workspace(modules=pathlib.Path(sys.argv[2]), cache=pathlib.Path(sys.argv[3])),"
            "build.Program(name='tiny', binaries={'tiny': '.'}, module='example.org/none'))"
        )
        command = [sys.executable, "-c", code, str(ROOT / "native"), str(tmp_path / "modules"), str(tmp_path / "cache")]
        with paths.locked(tmp_path / "cache" / "tiny" / ".lock"):
            others = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
            said = [other.stderr.readline() for other in others if other.stderr]
        rest = [other.communicate()[1] for other in others]

        assert said == ["tiny: another build is running, waiting for it\n"] * 2
        assert sorted("already built" in line for line in rest) == [False, True]

    @pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
    def test_go_ends_with_the_builder_that_was_told_to_end(self, tmp_path: Path) -> None:
        stand_in = tmp_path / "bin" / "go"
        stand_in.parent.mkdir()
        # Stands for a Go that compiles for a long time, which a tiny module never does.
        stand_in.write_text(
            '#!/bin/sh\n[ "$1" = env ] && echo go1.99.0 linux amd64 && exit\n'
            f"echo $$ > {tmp_path}/pid\nexec sleep 600\n",
            "utf-8",
        )
        stand_in.chmod(0o755)
        environment = {**os.environ, "PATH": f"{stand_in.parent}:{os.environ['PATH']}"}
        environment["WHATSSELF_OTEL_CACHE"] = str(tmp_path / "cache")
        builder = subprocess.Popen(
            [sys.executable, str(ROOT / "native" / "build.py"), "--only", "jaeger"], env=environment
        )
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text("utf-8"):
            time.sleep(0.05)
        builder.send_signal(signal.SIGTERM)

        assert builder.wait(60) == 143
        with pytest.raises(ProcessLookupError):
            os.kill(int((tmp_path / "pid").read_text("utf-8")), 0)


@needs_go
class TestKey:
    """What makes two builds different."""

    def test_is_the_same_for_the_same_files_wherever_they_lie(self, work: object, tmp_path: Path) -> None:
        shutil.copytree(tmp_path / "modules", tmp_path / "elsewhere")
        moved = build.Workspace(modules=tmp_path / "elsewhere", cache=tmp_path / "cache")

        assert build.inspect(work, PROGRAM).key == build.inspect(moved, PROGRAM).key

    def test_changes_with_the_go_version(self, work: object) -> None:
        assert build.key(work, PROGRAM, "go1.26.8 linux/amd64") != build.key(work, PROGRAM, "go1.26.9 linux/amd64")

    def test_changes_with_the_flags(self, work: object) -> None:
        tagged = build.Program(name="tiny", binaries={"tiny": "."}, module="example.org/none", tags="more")

        assert build.key(work, PROGRAM, "go1") != build.key(work, tagged, "go1")

    def test_ignores_how_lines_end(self, work: object, tmp_path: Path) -> None:
        before = build.key(work, PROGRAM, "go1")
        (tmp_path / "modules" / "tiny" / "main.go").write_bytes(HELLO.replace("\n", "\r\n").encode())

        assert build.key(work, PROGRAM, "go1") == before


class TestToolchain:
    """Go itself."""

    @pytest.mark.usefixtures("work")
    def test_missing_go_is_said_with_the_remedy(self, tmp_path: Path) -> None:
        without = build.Workspace(modules=tmp_path / "modules", cache=tmp_path / "cache", go=str(tmp_path / "no-go"))

        with pytest.raises(
            build.ToolchainError, match=r"was not found\. Install Go 1\.21 or newer from https://go\.dev"
        ):
            build.build(without, PROGRAM)

    @needs_go
    def test_go_that_is_too_old_is_said_with_both_versions(
        self, work: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # Else Go would try to fetch that version first.
        monkeypatch.setenv("GOTOOLCHAIN", "local")
        (tmp_path / "modules" / "tiny" / "go.mod").write_text("module example.org/tiny\n\ngo 1.99.0\n", "utf-8")

        with pytest.raises(build.ToolchainError, match=r"1\.99\.0(.|\n)*Install Go 1\.99\.0 or newer"):
            build.build(work, PROGRAM)

    def test_exit_status_3_when_go_is_missing(self, tmp_path: Path) -> None:
        without = build.Workspace(cache=tmp_path / "cache", go=str(tmp_path / "no-go"))

        assert build.main(["--only", "jaeger"], without) == 3


class TestPrograms:
    """Programs that are built for the stack."""

    def test_every_module_folder_is_built_and_every_program_has_one(self) -> None:
        folders = {path.parent.name for path in (ROOT / "native").glob("*/go.mod")}

        assert {program.name for program in build.PROGRAMS} == folders

    def test_nothing_under_the_agpl_is_built(self) -> None:
        required = " ".join(path.read_text("utf-8") for path in (ROOT / "native").glob("*/go.mod"))

        assert not {program.name for program in build.PROGRAMS} & set(native.FOUND)
        assert [name for name in ("loki", "tempo", "grafana") if f"github.com/grafana/{name}" in required] == []

    def test_everything_that_the_stack_runs_is_built(self) -> None:
        built = {binary for program in build.PROGRAMS for binary in program.binaries}

        assert set(native.BUILT) <= built

    @for_each("program", build.PROGRAMS, ids=lambda program: program.name)
    def test_the_version_comes_from_go_mod(self, program: object) -> None:
        go_mod = (ROOT / "native" / program.name / "go.mod").read_text("utf-8")  # type: ignore[attr-defined]

        assert build.required(go_mod, program.module) != "0"  # type: ignore[attr-defined]

    @needs_go
    def test_list_as_json_names_program_version_and_files(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        status = build.main(["--list", "--json", "--only", "victorialogs"], build.Workspace(cache=tmp_path))

        listed = json.loads(capsys.readouterr().out)
        assert status == 0
        assert [(row["program"], row["built"], list(row["binaries"])) for row in listed] == [
            ("victorialogs", False, ["victorialogs"])
        ]

    @needs_go
    @pytest.mark.usefixtures("work")
    def test_what_was_built_is_what_the_command_line_finds(self, tmp_path: Path) -> None:
        inside = build.Workspace(modules=tmp_path / "modules", cache=tmp_path / "native")
        built = build.build(inside, PROGRAM)

        assert native.find_binary("tiny", {"WHATSSELF_OTEL_CACHE": str(tmp_path)}) == Path(built.binaries["tiny"])
