"""An installation brings five packages and their closure, a typed package, and the command line's files."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from fnmatch import fnmatch
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from types import ModuleType

import first_steps
import generate_command_line
import pytest
import yaml
from children import environment
from packaging.markers import default_environment
from packaging.requirements import Requirement

import whatsself_otel
from whatsself_otel.stack.errors import MISSING

ROOT = Path(__file__).parent.parent.parent
OWN_PROGRAMS = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
FIVE = {
    "opentelemetry-api",
    "opentelemetry-sdk",
    "opentelemetry-exporter-otlp",
    "opentelemetry-instrumentation-fastapi",
    "opentelemetry-instrumentation-sqlalchemy",
}


class TestDependencies:
    def test_the_base_installation_asks_for_the_five_packages_and_nothing_else(self) -> None:
        assert direct("whatsself-otel") == FIVE

    def test_its_closure_is_theirs(self) -> None:
        assert closure({"whatsself-otel"}) - {"whatsself-otel"} == closure(FIVE)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist and the wheel that is built from it, as a release has them."""
    folder = tmp_path_factory.mktemp("built")
    subprocess.run(["hatchling", "build", "-d", str(folder), "-t", "sdist"], cwd=ROOT, env=OWN_PROGRAMS, check=True)
    (sdist,) = folder.glob("*.tar.gz")
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(folder)]
    subprocess.run([*command, str(sdist)], check=True, timeout=120)
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> zipfile.ZipFile:
    (path,) = built.glob("*.whl")
    return zipfile.ZipFile(path)


class TestSdist:
    def test_carries_what_a_packager_needs_to_build_and_test(self, built: Path) -> None:
        (path,) = built.glob("*.tar.gz")
        with tarfile.open(path) as archive:
            names = {name.partition("/")[2] for name in archive.getnames()}
        folders = ("whatsself_otel", "collector", "backends", "native", "tests", "docs", "examples", "tools")
        listed = subprocess.run(["git", "ls-files", *folders], cwd=ROOT, check=True, capture_output=True, text=True)

        assert [name for name in listed.stdout.split() if name not in names] == []
        assert {"LICENSE", "NOTICE", "README.md", "CHANGELOG.md", "constraints.txt", "Makefile"} <= names


class TestVersion:
    def test_comes_from_one_place(self, built: Path) -> None:
        stated = re.findall(
            rf"\b{re.escape(whatsself_otel.__version__)}\b", (ROOT / "pyproject.toml").read_text("utf-8")
        )

        assert stated == []
        assert {path.name.split("-")[1].removesuffix(".tar.gz") for path in built.iterdir()} == {
            whatsself_otel.__version__
        }


class TestSurface:
    def test_exports_every_public_name_and_no_other(self) -> None:
        public = {
            name
            for name, value in vars(whatsself_otel).items()
            if not name.startswith("_") and not isinstance(value, ModuleType)
        }

        assert public == set(whatsself_otel.__all__)


@pytest.mark.e2e
@pytest.mark.skipif(sys.platform == "win32", reason="types the commands into a POSIX shell")
class TestInstalled:
    """The wheel alone, in an environment that has nothing else."""

    @pytest.fixture(scope="class")
    @classmethod
    def programs(cls, built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
        folder = tmp_path_factory.mktemp("fresh")
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        (path,) = built.glob("*.whl")
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        versions = ["--constraint", str(ROOT / "constraints.txt")]
        done = subprocess.run(
            [*pip, *versions, f"{path}[bridge,demo,prometheus]"],
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        if "No matching distribution" in done.stderr and os.environ.get("CI") != "true":
            pytest.skip("no package index answers")
        assert done.returncode == 0, done.stderr
        return folder / "bin"

    def test_first_steps_lead_from_the_wheel_to_ones_own_message(self, programs: Path, tmp_path: Path) -> None:
        traces = first_steps.walk(tmp_path, programs)

        assert "contact-1" in str(traces)

    def test_the_command_line_finds_its_files(self, programs: Path, tmp_path: Path) -> None:
        shown = subprocess.run(
            [programs / "whatsself-otel", "vendors", "list"], cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout

        assert [line.split()[0] for line in shown.splitlines()] == sorted(
            path.stem for path in (ROOT / "collector" / "vendors").glob("*.yaml")
        )

    def test_a_trace_asked_for_where_nothing_runs_says_what_to_start(self, programs: Path, tmp_path: Path) -> None:
        nowhere = {"HOME": str(tmp_path), "TEMPO_HTTP_PORT": "7", "JAEGER_QUERY_PORT": "9", "LOKI_PORT": "11"}
        asked = subprocess.run(
            [programs / "whatsself-otel", "trace", "message-1"],
            cwd=tmp_path,
            env={**os.environ, **nowhere},
            check=False,
            capture_output=True,
            text=True,
        )

        assert asked.returncode == MISSING
        assert "No store answers" in asked.stderr
        assert "whatsself-otel view" in asked.stderr

    @pytest.mark.parametrize("words", generate_command_line.commands())
    def test_a_command_runs_or_names_what_it_needs(self, programs: Path, tmp_path: Path, words: str) -> None:
        need = generate_command_line.NEEDS.get(words, "")
        asked = subprocess.run(
            [programs / "whatsself-otel", *words.split(), *EXAMPLE.get(words, "").split()],
            cwd=tmp_path,
            env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "ALERTMANAGER_PORT": "9"},
            check=False,
            capture_output=True,
            text=True,
            input='{"status": "all quiet"}',
            timeout=120,
        )

        if words in SERVES or need not in REMEDIES:
            assert asked.returncode in {0, 1}, asked.stderr
        else:
            assert asked.returncode in {1, MISSING}, asked.stdout + asked.stderr
            assert REMEDIES[need] in asked.stderr
        assert "Traceback" not in asked.stderr


EXAMPLE = {
    "demo": "--stack python",
    "view": "--help",
    "bridge": "--help",
    "trace": "message-1",
    "collector validate": "--vendor debug",
    "collector print": "--vendor debug",
    "collector run": "--vendor debug",
    "vendors show": "debug",
    "vendors check": "debug",
    "files export": "exported",
    "audit": "-",
    "replay": "-",
    "rules build": "--output rules",
    "session retire": "shop-2",
    "session restore": "shop-2",
    "simulate": "outage",
    "completion": "bash",
}
"""Arguments with which each command is tried."""
SERVES = {"view", "bridge"}
"""Commands that run until a signal; other tests start them."""
REMEDIES = {
    generate_command_line.PROGRAMS: "stack",
    generate_command_line.RUNNING: "whatsself-otel view",
    generate_command_line.ALERTMANAGER: "Alertmanager",
    "the extra `completion`": 'pip install "argcomplete',
}
"""Messages of commands that lack something."""

CORE = (
    "test_testing.py",
    "typing",
    "traces/test_processors.py",
    "logs/test_logs.py",
    "export/test_export.py",
)
"""Tests that run on the wheel: the one call, each signal, and the exports."""


class TestWheel:
    def test_passes_the_core_of_the_tests(self, built: Path, tmp_path: Path) -> None:
        """In a separate environment that takes every package but ours from this one."""
        venv.create(tmp_path / "fresh", with_pip=False)
        python = tmp_path / "fresh" / ("Scripts" if sys.platform == "win32" else "bin") / "python"
        site, ours = (
            sysconfig.get_path("purelib", vars={"base": str(base)}) for base in (tmp_path / "fresh", sys.prefix)
        )
        (path,) = built.glob("*.whl")
        shutil.unpack_archive(path, site, "zip")
        # A line of a .pth file adds a folder, but not that folder's own .pth files: the checkout stays out of sight.
        Path(site, "packages.pth").write_text(ours, "utf-8")
        tests = [str(ROOT / "tests" / name) for name in CORE]
        settings = ("--rootdir", str(ROOT), "-c", str(ROOT / "pyproject.toml"), "-p", "no:cacheprovider")

        where = run(python, "-c", "import whatsself_otel; print(whatsself_otel.__file__)", cwd=tmp_path)
        done = run(python, "-P", "-m", "pytest", "-q", *settings, *tests, cwd=tmp_path)

        assert Path(where.stdout.strip()).is_relative_to(tmp_path)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]

    def test_is_typed_and_licensed(self, wheel: zipfile.ZipFile) -> None:
        names = wheel.namelist()

        assert "whatsself_otel/py.typed" in names
        assert [name for name in ("LICENSE", "NOTICE") if not any(entry.endswith(f"/{name}") for entry in names)] == []

    def test_carries_every_collector_and_backend_file(self, wheel: zipfile.ZipFile) -> None:
        tracked = subprocess.run(
            ["git", "ls-files", "collector", "backends"], cwd=ROOT, check=True, capture_output=True, text=True
        ).stdout.split()

        assert [path for path in tracked if f"whatsself_otel/_files/{path}" not in wheel.namelist()] == []

    def test_compose_finds_from_the_wheel_all_it_mounts_and_builds_from(self, wheel: zipfile.ZipFile) -> None:
        names = wheel.namelist()
        document = yaml.safe_load(wheel.read("whatsself_otel/_files/docker-compose.yml"))
        mounts = [str(mount) for service in document["services"].values() for mount in service.get("volumes", [])]
        mounted = [mount.split(":")[0].removeprefix("./") for mount in mounts if mount.startswith("./")]
        copied = re.findall(
            r"^COPY (\S+)", wheel.read("whatsself_otel/demo/Dockerfile.installed").decode(), re.MULTILINE
        )

        files = [f"whatsself_otel/_files/{name}" for name in (*mounted, ".env.example")]
        assert [each for each in (*files, *copied) if not any(fnmatch(name, f"{each}*") for name in names)] == []
        assert len(mounted) > 5

    def test_the_image_gets_what_the_wheel_requires(self, wheel: zipfile.ZipFile, tmp_path: Path) -> None:
        wheel.extractall(tmp_path)  # noqa: S202 - built a moment ago
        (information,) = tmp_path.glob("*.dist-info")
        program = tmp_path / "whatsself_otel/demo/requirements.py"

        asked = [sys.executable, "-I", str(program), str(information), "bridge", "demo"]
        lines = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.splitlines()

        wanted = {re.split(r"[<>=\[]", line)[0] for line in lines}
        assert {"opentelemetry-sdk", "fastapi", "sqlalchemy", "uvicorn", "pyyaml", "aiohttp"} <= wanted
        assert wanted.isdisjoint({"asyncpg", "argcomplete", "whatsself-otel"})

    def test_carries_nothing_but_the_package(self, wheel: zipfile.ZipFile) -> None:
        assert {name.split("/")[0].split("-")[0] for name in wheel.namelist()} == {"whatsself_otel"}


def run(python: Path, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [python, *words], cwd=cwd, env=environment(PYTHONPATH=""), capture_output=True, text=True, check=False
    )


def direct(name: str) -> set[str]:
    """Normalised names that the installed distribution *name* needs without extras."""
    environment: dict[str, str] = {**default_environment(), "extra": ""}  # type: ignore[dict-item]
    found = [Requirement(text) for text in requires(name) or ()]
    return {
        re.sub(r"[-_.]+", "-", item.name).lower()
        for item in found
        if item.marker is None or item.marker.evaluate(environment)
    }


def closure(names: set[str]) -> set[str]:
    seen: set[str] = set()
    waiting = set(names)
    while waiting:
        name = waiting.pop()
        seen.add(name)
        try:
            waiting |= direct(name) - seen
        except PackageNotFoundError:
            continue
    return seen
