"""What an installation gets: five packages and their closure, a typed package, and the files the command line reads."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
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
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(folder)]
    subprocess.run([*command, str(ROOT)], check=True, timeout=120)
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)


class TestWheel:
    def test_is_typed_and_licensed(self, wheel: zipfile.ZipFile) -> None:
        names = wheel.namelist()

        assert "whatsself_otel/py.typed" in names
        assert [name for name in ("LICENSE", "NOTICE") if not any(entry.endswith(f"/{name}") for entry in names)] == []

    def test_carries_every_collector_and_backend_file(self, wheel: zipfile.ZipFile) -> None:
        tracked = subprocess.run(
            ["git", "ls-files", "collector", "backends"], cwd=ROOT, check=True, capture_output=True, text=True
        ).stdout.split()

        assert [path for path in tracked if f"whatsself_otel/_files/{path}" not in wheel.namelist()] == []

    def test_carries_nothing_but_the_package(self, wheel: zipfile.ZipFile) -> None:
        assert {name.split("/")[0].split("-")[0] for name in wheel.namelist()} == {"whatsself_otel"}


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
