"""Our column of docs/evidence/faults.md: every row of the fault catalogue, in real processes."""

from __future__ import annotations

import pytest
from fault_runner import Scenario, run
from fault_scenarios import SCENARIOS

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: f"row {each.row}, {each.title}")
def test_holds(scenario: Scenario) -> None:
    held, seen, observed = run(scenario, "ours")

    assert held, f"expected: {scenario.expected}; seen: {seen}\n{observed.stderr[-2000:]}"
