"""
The package works on the oldest and the newest OpenTelemetry that pyproject.toml allows.

The whole quick suite runs on the versions of constraints.txt; here run the files that touch the SDK most.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from children import environment

ROOT = Path(__file__).parent.parent
TESTS = (
    "test_sdk_wall",
    "traces/test_spans",
    "metrics/test_bound_instruments",
    "metrics/test_cardinality",
    "metrics/test_zero_points",
    "export/test_encoding",
    "traces/test_processors",
    "traces/test_propagation",
    "logs/test_logs",
    "metrics/test_prometheus",
    "integrations/test_differential",
    "integrations/test_sqlalchemy",
    "test_setup",
)


def requirements(which: str) -> list[str]:
    """What pyproject.toml allows; the oldest contrib brings the oldest SDK that goes with it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    if which == "newest":
        return list(project["dependencies"])
    return [re.sub(r">=([^,]+),.*", r"==\1", each) for each in project["dependencies"]]


@pytest.mark.versions
@pytest.mark.parametrize("which", ["oldest", "newest"])
def test_an_sdk_that_is_allowed_does_what_is_expected_of_it(which: str, tmp_path: Path) -> None:
    install = (sys.executable, "-m", "pip", "install", "--quiet", "--target", str(tmp_path))
    subprocess.run([*install, *requirements(which)], check=True, timeout=600)
    (found,) = (path.name for path in tmp_path.glob("opentelemetry_sdk-*.dist-info"))
    if found == f"opentelemetry_sdk-{version('opentelemetry-sdk')}.dist-info":
        pytest.skip(f"{found} is installed: the quick tests run on it")
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    files = [f"tests/{name}.py" for name in TESTS]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files],
        cwd=ROOT,
        env=environment(PYTHONPATH=path),
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
    )

    assert done.returncode == 0, f"{found}: {done.stdout[-3000:]}"
