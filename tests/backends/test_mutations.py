"""The mutation run, on the smallest rule file: every change is noticed, and the run itself can tell."""

from __future__ import annotations

import subprocess
import sys

import pytest
from binaries import ROOT, need

RUN = (sys.executable, str(ROOT / "tools" / "mutate_rules.py"))


@pytest.mark.backend
def test_every_change_of_the_http_rules_is_noticed() -> None:
    need("promtool")

    done = subprocess.run([*RUN, "http"], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 survived" in done.stdout


@pytest.mark.parametrize(
    "change",
    ["[10m] -> [300s]", "> 0.05 -> 0.0625", ">= 2.5 -> 3.5", "for: 5m -> 600s", "sum by -> max by", "without: and on"],
)
def test_thresholds_guards_aggregations_windows_and_parts_are_broken(change: str) -> None:
    done = subprocess.run([*RUN, "http", "--list"], capture_output=True, text=True, check=True)

    assert change in done.stdout
