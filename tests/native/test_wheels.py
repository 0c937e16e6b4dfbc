"""native/wheels.py: the contents of a wheel, and the reasons to pack it again."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from binaries import need
from packaging.utils import parse_wheel_filename
from rows import for_each

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT / "native"))

import build  # noqa: E402
import wheels  # noqa: E402

MOST_MB = 100
"""Largest file that a public index accepts."""
VICTORIALOGS = next(program for program in build.PROGRAMS if program.name == "victorialogs")

needs_go = pytest.mark.skipif(shutil.which("go") is None, reason="Go is not on this machine")


class TestExtra:
    """``whatsself-otel[stack]``."""

    def test_names_each_wheel_at_the_version_that_is_built(self) -> None:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
        work = build.Workspace()

        assert sorted(project["optional-dependencies"]["stack"]) == sorted(
            f"whatsself-otel-{program.name}=={build.released(work, program)}+{wheels.LOCAL}"
            for program in wheels.PACKED
        )


class TestPlatforms:
    """Which machines there are wheels for."""

    def test_another_one_is_refused_with_the_list(self) -> None:
        with pytest.raises(build.BuildError, match=r"plan9/386\. There is: linux-x86_64, .*windows-x86_64"):
            wheels.platform_of("plan9/386")

    @for_each("name", wheels.PLATFORMS)
    def test_programs_for_others_never_lie_where_ours_are_looked_up(self, name: str) -> None:
        assert "native" not in wheels.workspace(name).cache.parts

    @for_each(
        "platform, file",
        [("windows-x86_64", "jaeger.exe"), ("macos-arm64", "jaeger"), (None, build._PATHS["executable"]("jaeger"))],
    )
    def test_a_program_has_the_name_of_its_system(self, platform: str | None, file: str) -> None:
        assert build.file_name(wheels.workspace(platform), "jaeger") == file


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    need("victorialogs")
    return wheels.pack(wheels.workspace(None), VICTORIALOGS, tmp_path_factory.mktemp("wheels"))


@needs_go
@pytest.mark.backend
class TestWheel:
    """The smallest program, for this machine."""

    def test_has_the_program_its_licences_and_a_true_record(self, packed: Path) -> None:
        inspect(packed, VICTORIALOGS)

    def test_installed_by_pip_it_runs_and_says_its_version(self, packed: Path, tmp_path: Path) -> None:
        command = [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--target", str(tmp_path), str(packed)]
        subprocess.run(command, check=True)
        program = tmp_path / "whatsself_otel_victorialogs" / build._PATHS["executable"]("victorialogs")

        said = subprocess.run([program, "-version"], check=True, capture_output=True, text=True)

        assert build.released(build.Workspace(), VICTORIALOGS) in said.stdout + said.stderr

    def test_is_kept_while_nothing_changes(self, packed: Path) -> None:
        before = packed.stat().st_mtime_ns

        again = wheels.pack(wheels.workspace(None), VICTORIALOGS, packed.parent)

        assert (again, again.stat().st_mtime_ns) == (packed, before)

    def test_takes_the_place_of_an_older_one_and_is_byte_for_byte_the_same(self, packed: Path, tmp_path: Path) -> None:
        older = tmp_path / packed.name.replace("-", "-0.", 1)
        shutil.copy(packed, older)

        again = wheels.pack(wheels.workspace(None), VICTORIALOGS, tmp_path)

        assert list(tmp_path.iterdir()) == [again]
        assert again.read_bytes() == packed.read_bytes()

    def test_a_module_without_a_licence_stops_it_by_name(
        self, packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = Path(wheels._go(wheels.workspace(None), "env", "GOMODCACHE").strip())
        for module in wheels.linked(wheels.workspace(None), [need("victorialogs")]):
            for path in wheels._licence_files(store, module):
                copy = tmp_path / path.relative_to(store)
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(path.read_bytes())
        shutil.rmtree(next(tmp_path.glob("github.com/valyala/fastrand@*")))
        monkeypatch.setenv("GOMODCACHE", str(tmp_path))

        with pytest.raises(build.BuildError, match=r"valyala/fastrand .* has no licence in .* `go mod download`"):
            wheels._licences(wheels.workspace(None), VICTORIALOGS, [need("victorialogs")])


@needs_go
@pytest.mark.proof
@pytest.mark.parametrize("platform", wheels.PLATFORMS)
@pytest.mark.parametrize("program", wheels.PACKED, ids=lambda program: program.name)
def test_every_program_is_packed_for_every_platform(program: build.Program, platform: str, tmp_path: Path) -> None:
    """The first time it compiles, for minutes a program."""
    inspect(wheels.pack(wheels.workspace(platform), program, tmp_path), program, platform)


def inspect(wheel: Path, program: build.Program, platform: str | None = None) -> None:
    """See that *wheel* is what pip, a person and a lawyer expect of *program*."""
    name, version, _, tags = parse_wheel_filename(wheel.name)
    work = wheels.workspace(platform)
    assert (name, str(version)) == (
        f"whatsself-otel-{program.name}",
        f"{build.released(build.Workspace(), program)}+whatsself",
    )
    assert wheel.stat().st_size < MOST_MB * 1e6
    if platform is not None:
        assert {tag.platform for tag in tags} == set(wheels.PLATFORMS[platform][1].split("."))
    with zipfile.ZipFile(wheel) as archive:
        package = f"whatsself_otel_{program.name}"
        for binary in program.binaries:
            entry = archive.getinfo(f"{package}/{build.file_name(work, binary)}")
            assert entry.external_attr >> 16 == 0o100755
            assert archive.read(entry)[:4] in MAGIC[platform or sys.platform]
        information = wheel.name.split("-py3-")[0] + ".dist-info"
        check_record(archive, information)
        check_licences(archive, information, program)


MAGIC = {
    **dict.fromkeys(("linux", "linux-x86_64", "linux-arm64"), (b"\x7fELF",)),
    **dict.fromkeys(("darwin", "macos-arm64"), (b"\xcf\xfa\xed\xfe",)),
    **dict.fromkeys(("win32", "windows-x86_64"), (b"MZ\x90\x00",)),
}
"""How a program of each system begins."""


def check_record(archive: zipfile.ZipFile, information: str) -> None:
    rows = list(csv.reader(io.StringIO(archive.read(f"{information}/RECORD").decode())))
    assert [row[0] for row in rows] == archive.namelist()
    for name, digest, size in rows[:-1]:
        content = archive.read(name)
        hashed = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        assert (digest, int(size)) == (f"sha256={hashed}", len(content))


def check_licences(archive: zipfile.ZipFile, information: str, program: build.Program) -> None:
    folder = f"{information}/licenses/"
    names = [name.removeprefix(folder) for name in archive.namelist() if name.startswith(folder)]
    stated = re.findall(r"^License-File: (.*)$", archive.read(f"{information}/METADATA").decode(), re.MULTILINE)
    notices = archive.read(f"{folder}THIRD-PARTY-NOTICES.txt").decode()
    assert stated == names
    assert "Apache License" in archive.read(f"{folder}LICENSE").decode()
    assert f"\n{program.module} v" in notices
    assert "Go's standard library" in notices
    assert notices.count("https://pkg.go.dev/") > 5
    assert os.path.expanduser("~") not in notices  # noqa: PTH111 - no path of this machine
