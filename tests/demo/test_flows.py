from __future__ import annotations

from rows import for_each

from whatsself_otel.demo.flows import MAX_AUTO_STEPS, first_key, match_trigger, plan_run
from whatsself_otel.demo.models import FlowStep, Trigger

PRICES = Trigger(id="trigger_precos", keyword="precos", flow_id="flow_prices")


def make_steps(*steps: tuple[str, str | None, bool]) -> dict[str, FlowStep]:
    return {
        key: FlowStep(flow_id="flow", key=key, body="x", next_key=next_key, waits=waits)
        for key, next_key, waits in steps
    }


class TestMatchTrigger:
    """Which words fire a trigger."""

    @for_each("body", ["precos", "PREÇOS", "Quais os preços?", "preços, por favor"])
    def test_case_accents_and_punctuation_do_not_matter(self, body: str) -> None:
        assert PRICES is match_trigger(body, [PRICES])

    @for_each("body", ["", "preço", "precosx"])
    def test_another_word_does_not_match(self, body: str) -> None:
        assert match_trigger(body, [PRICES]) is None


class TestPlanRun:
    """Which steps run by themselves."""

    def test_a_run_takes_every_step_to_the_end(self) -> None:
        run = plan_run(make_steps(("a", "b", False), ("b", None, False)), "a")

        assert [step.key for step in run.steps] == ["a", "b"]
        assert run.waits_at is None
        assert not run.is_cut

    def test_a_run_stops_at_a_question(self) -> None:
        run = plan_run(make_steps(("a", "b", False), ("b", "c", True), ("c", None, False)), "a")

        assert [step.key for step in run.steps] == ["a", "b"]
        assert run.waits_at == "b"

    def test_a_round_ends_at_twenty_steps(self) -> None:
        run = plan_run(make_steps(("a", "a", False)), "a")

        assert len(run.steps) == MAX_AUTO_STEPS == 20
        assert run.is_cut

    def test_exactly_twenty_steps_are_not_cut(self) -> None:
        keys = [str(number) for number in range(20)]
        steps = make_steps(*((key, following, False) for key, following in zip(keys, [*keys[1:], None], strict=True)))

        assert not plan_run(steps, "0").is_cut

    def test_nothing_left_is_an_empty_run(self) -> None:
        assert plan_run({}, None).steps == ()


class TestFirstKey:
    """Where a flow begins."""

    def test_it_is_the_step_nobody_leads_to_whatever_the_order(self) -> None:
        assert first_key(make_steps(("b", None, False), ("a", "b", False))) == "a"

    def test_a_round_starts_anywhere(self) -> None:
        assert first_key(make_steps(("a", "a", False))) == "a"

    def test_a_flow_without_steps_has_none(self) -> None:
        assert first_key({}) is None
