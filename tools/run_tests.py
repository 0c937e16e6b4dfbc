"""
Run a selection of the tests in several pytest processes at once, one a processor, four at most.

    python tools/run_tests.py -m "not proof"             all files, split into parts
    python tools/run_tests.py -m "not proof" tests/cli   what is named, in one process

Other arguments go to pytest. Each part's output follows when it ends; every half minute a line says how far each is.
The exit status is 0 if every part passed, 5 if nothing was selected, else 1.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

ROOT: Final = Path(__file__).resolve().parents[1]
_MOST_PARTS: Final = 4
_REPORT_S: Final = 30.0
_NO_TESTS: Final = 5
"""Pytest's status when nothing was selected."""


@dataclass(slots=True)
class Part:
    """One pytest process and the file its output goes to."""

    name: str
    process: subprocess.Popen[bytes]
    output: IO[bytes]

    def read(self) -> str:
        """Return the output of the process."""
        return Path(self.output.name).read_text(encoding="utf-8", errors="replace")

    def progress(self) -> str:
        """Return the last percentage that pytest printed, or "…"."""
        found = [word.strip("[]") for word in self.read().split() if word.endswith("%]")]
        return found[-1] if found else "…"


def main(arguments: list[str]) -> int:
    """Run the parts; return 0 if each passed, 5 if nothing was selected, else 1."""
    if any((ROOT / word.split("::")[0]).exists() for word in arguments if not word.startswith("-")):
        return subprocess.call([sys.executable, "-m", "pytest", *arguments], cwd=ROOT)  # noqa: S603 - pytest, as it was asked for
    count = min(os.cpu_count() or 1, _MOST_PARTS)
    started_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="whatsself-otel-tests-") as folder:
        parts = [
            start(f"part {number} of {count}", files, arguments, Path(folder))
            for number, files in enumerate(split(test_files(), count), 1)
        ]
        try:
            statuses = wait(parts, started_s)
        finally:
            for part in parts:
                part.process.terminate()
                part.output.close()
    ran = [status for status in statuses if status != _NO_TESTS]
    return _NO_TESTS if not ran else int(any(ran))


def test_files() -> list[Path]:
    """Return the test files, the largest first."""
    return sorted((ROOT / "tests").rglob("test_*.py"), key=lambda file: (-file.stat().st_size, file.name))


def split(files: list[Path], count: int) -> list[list[Path]]:
    """Return *files* in *count* groups of about the same size."""
    groups: list[list[Path]] = [[] for _ in range(count)]
    sizes = [0] * count
    for file in files:
        smallest = sizes.index(min(sizes))
        groups[smallest].append(file)
        sizes[smallest] += file.stat().st_size
    return groups


def start(name: str, files: list[Path], arguments: list[str], folder: Path) -> Part:
    """Start pytest on *files*."""
    output = (folder / f"{name.replace(' ', '-')}.log").open("wb")
    command = [sys.executable, "-u", "-m", "pytest", *arguments, *map(str, sorted(files))]
    process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)  # noqa: S603 - as above
    return Part(name, process, output)


def wait(parts: list[Part], started_s: float) -> list[int]:
    """Return the statuses of *parts* when all have ended; say how far they are until then."""
    running, said_s = list(parts), time.monotonic()
    while running:
        time.sleep(0.2)
        for part in [each for each in running if each.process.poll() is not None]:
            running.remove(part)
            print(f"--- {part.name}\n{part.read()}", flush=True)
        if running and time.monotonic() - said_s > _REPORT_S:
            said_s = time.monotonic()
            how_far = ", ".join(f"{part.name}: {part.progress()}" for part in running)
            print(f"{said_s - started_s:4.0f} s  {how_far}", flush=True)
    return [part.process.wait() for part in parts]


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
