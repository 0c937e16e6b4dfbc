"""The mutation run, on the smallest rule file: every change is noticed, and the run itself can tell."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest
from binaries import ROOT, need
from mutation_bench import Bench
from rows import for_each
from rule_mutants import expressions, mutants

RUN = (sys.executable, str(ROOT / "tools" / "mutate_rules.py"))


@pytest.mark.backend
def test_every_change_of_the_http_rules_is_noticed() -> None:
    need("promtool")

    done = subprocess.run([*RUN, "http"], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 survived" in done.stdout


@for_each(
    "change",
    ["[10m] -> [300s]", "> 0.05 -> 0.0625", ">= 2.5 -> 3.5", "for: 5m -> 600s", "sum by -> max by", "without: and on"],
)
def test_thresholds_guards_aggregations_windows_and_parts_are_broken(change: str) -> None:
    done = subprocess.run([*RUN, "http", "--list"], capture_output=True, text=True, check=True)

    assert change in done.stdout


@pytest.mark.backend
def test_a_whole_rule_is_noticed_by_no_case() -> None:
    need("promtool")
    broken = next(
        each for each in mutants(ROOT / "backends/prometheus/rules/bridge.yml") if "> 300 -> 240" in str(each)
    )
    whole = replace(broken, value=broken.value.replace("240", "300"))

    assert Bench().survivors([broken, whole]) == [whole]


@for_each("asked, changes", [("== 0", 0), ("> 0", 0), ("> 300", 1)])
def test_a_sum_in_place_of_a_maximum_is_a_change_unless_only_zero_is_asked_for(asked: str, changes: int) -> None:
    found = [change for _, change in expressions(f"max by (job) (x) {asked}")]

    assert sum("sum by" in change for change in found) == changes
