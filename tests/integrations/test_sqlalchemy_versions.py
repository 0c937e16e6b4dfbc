"""The versions of SQLAlchemy that are older than the installed one: it has changed inside where statements are seen."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from children import environment

ROOT = Path(__file__).parent.parent.parent
TESTS = (
    "tests/integrations/test_sqlalchemy.py",
    "tests/integrations/test_differential.py",
    "tests/integrations/test_pool.py",
)


@pytest.mark.e2e
@pytest.mark.parametrize("version", ["2.0.40", "2.0.51"])
def test_statements_and_pools_are_observed_with_an_older_version_too(version: str, tmp_path: Path) -> None:
    install = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(tmp_path))
    subprocess.run([*install, f"sqlalchemy=={version}"], check=True, timeout=300)
    pytest_of_it = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    found = subprocess.run(
        [sys.executable, "-c", "import sqlalchemy; print(sqlalchemy.__version__)"],
        env=environment(PYTHONPATH=str(tmp_path)),
        capture_output=True,
        text=True,
        check=True,
    )
    done = subprocess.run(
        [*pytest_of_it, *TESTS],
        cwd=ROOT,
        env=environment(PYTHONPATH=str(tmp_path)),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert found.stdout.strip() == version
    assert done.returncode == 0, done.stdout[-3000:]
