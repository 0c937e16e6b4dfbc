"""The script that runs OpenTelemetry's tests separates defects from deliberate differences."""

from __future__ import annotations

import tomllib

from rows import for_each
from run_upstream_suites import CONFIGURED, DIFFERENCES, SUITES, _headings, judge, reasons

NAMED = {"t": "a heading"}
PASSED, FAILED = "passed", "failed: AssertionError: 1 != 2"


class TestVerdicts:
    @for_each(
        "upstream, contrib, ours, named, verdict",
        [
            (PASSED, PASSED, PASSED, {}, PASSED),
            (PASSED, FAILED, PASSED, {}, PASSED),
            (PASSED, PASSED, "skipped", {}, "skipped"),
            (PASSED, PASSED, FAILED, {}, "defect"),
            (PASSED, PASSED, FAILED, NAMED, "deliberate difference"),
            (PASSED, FAILED, FAILED, {}, "deliberate difference"),
            (FAILED, FAILED, FAILED, {}, "not applicable"),
            (PASSED, PASSED, PASSED, NAMED, "defect"),
        ],
    )
    def test_a_test_is_judged_by_who_passes_it(
        self, upstream: str, contrib: str, ours: str, named: dict[str, str], verdict: str
    ) -> None:
        assert judge({"t": upstream}, {"t": contrib}, {"t": ours}, named)["t"][0] == verdict

    def test_one_that_was_not_run_with_ours_is_a_defect(self) -> None:
        assert judge({"t": PASSED}, {"t": PASSED}, {}, {})["t"][0] == "defect"
        assert judge({}, {}, {}, {"gone": "a heading"})["gone"][0] == "deliberate difference"


def test_every_difference_has_its_reason_on_the_page() -> None:
    listed = tomllib.loads(DIFFERENCES.read_text(encoding="utf-8"))

    assert set(listed) <= set(SUITES)
    assert {heading for suite in listed.values() for heading in suite} | {CONFIGURED} <= _headings()
    assert all(len(reasons(suite)) == sum(map(len, suite.values())) for suite in listed.values())
