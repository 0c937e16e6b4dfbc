"""A separate virtual environment for the packages that a benchmark compares with; this package does not need them."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import time
import venv
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def measure_peer(script: str, name: str, package: str, runs: int) -> dict[str, Any] | str:
    """Run *script* with ``--subject name`` where *package* is installed; its JSON, or why there is none."""
    python = _environment() / ("Scripts" if os.name == "nt" else "bin") / "python"
    installed = subprocess.run(
        [python, "-m", "pip", "install", "-q", package], capture_output=True, text=True, check=False
    )
    if installed.returncode:
        return f"{package} could not be installed"
    done = subprocess.run(
        [python, script, "--subject", name, "--runs", str(runs)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        return done.stderr.strip().split("\n")[-1]
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def cpu_microseconds(call: Callable[[], object], runs: int, loops: int = 2000) -> tuple[float, float]:
    """Best and median CPU time of one *call*: what else runs on the machine is not counted."""
    taken = []
    for _ in range(runs):
        start = time.process_time()
        for _ in range(loops):
            call()
        taken.append((time.process_time() - start) / loops * 1e6)
    return min(taken), statistics.median(taken)


def _environment() -> Path:
    cache = Path(os.environ.get("WHATSSELF_OTEL_CACHE") or Path.home() / ".cache" / "whatsself-otel")
    directory = cache / "benchmarks"
    if not (directory / "pyvenv.cfg").exists():
        venv.create(directory, with_pip=True)
    return directory
