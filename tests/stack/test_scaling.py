"""Rules for simulations: the same as those that ship, but for durations, and every duration divided alike."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
import yaml
from binaries import ROOT, need, run_once
from rows import for_each

from whatsself_otel.stack.errors import CommandError
from whatsself_otel.stack.native_stack import StackConfig, write_alertmanager_config, write_prometheus_config
from whatsself_otel.stack.scaling import divide, faster, faster_rules

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

RULES = sorted((ROOT / "backends" / "prometheus" / "rules").glob("*.yml"))
DURATION = re.compile(r"(?<![\w.:/])\d+(?:ms|[smhd])(?![\w:.])")
UNITS_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
SPEEDS = [60, 120]


def milliseconds(duration: str) -> int:
    number, unit = re.fullmatch(r"(\d+)(ms|[smhd])", duration).groups()  # type: ignore[union-attr]
    return int(number) * UNITS_MS[unit]


def timed(text: str) -> Iterator[tuple[str, str]]:
    """Return each part of a rule file that holds time, read by a parser of YAML and not line by line."""
    for group in yaml.safe_load(text)["groups"]:
        yield "interval", group.get("interval", "")
        for rule in group["rules"]:
            yield from ((key, rule.get(key, "")) for key in ("expr", "for", "keep_firing_for"))


def untimed(text: str) -> list[Any]:
    """Return everything else."""
    groups = yaml.safe_load(text)["groups"]
    for group in groups:
        group.pop("interval", None)
        for rule in group["rules"]:
            for key in ("expr", "for", "keep_firing_for"):
                rule.pop(key, None)
    return groups  # type: ignore[no-any-return]


@for_each("speed", SPEEDS)
@for_each("path", RULES, ids=lambda path: path.stem)
class TestRules:
    def test_differ_in_nothing_but_durations(self, path: Path, speed: int) -> None:
        shipped = path.read_text("utf-8")
        scaled = faster_rules(shipped, speed)

        assert untimed(scaled) == untimed(shipped)
        assert [(key, DURATION.sub("TIME", text)) for key, text in timed(scaled)] == [
            (key, DURATION.sub("TIME", text)) for key, text in timed(shipped)
        ]

    def test_have_every_duration_divided_by_the_speed(self, path: Path, speed: int) -> None:
        shipped = path.read_text("utf-8")
        before = [found for _, text in timed(shipped) for found in DURATION.findall(text)]
        after = [found for _, text in timed(faster_rules(shipped, speed)) for found in DURATION.findall(text)]

        assert before
        # A thing of whole milliseconds: 2 s at 120 times the speed are 17 of them.
        assert [milliseconds(each) for each in after] == [round(milliseconds(each) / speed) for each in before]


@for_each("path", RULES, ids=lambda path: path.stem)
def test_every_time_in_a_rule_is_told_as_one(path: Path) -> None:
    """A number of seconds written as a bare number would stay as it is: every such name must stand by a duration."""
    for key, text in timed(path.read_text("utf-8")):
        if key == "expr" and ("time()" in text or re.search(r"\brate\(", text)):
            assert not re.search(r"(?<![\w.:])(60|300|900|1800|3600|86400)(?![\w.])", text), text


@pytest.mark.backend
@pytest.mark.parametrize("speed", SPEEDS)
def test_scaled_rules_are_valid(tmp_path: Path, speed: int) -> None:
    for path in RULES:
        (tmp_path / path.name).write_text(faster_rules(path.read_text("utf-8"), speed), "utf-8")

    done = run_once([need("promtool"), "check", "rules", "--lint-fatal", *tmp_path.glob("*.yml")])

    assert done.returncode == 0, done.stdout + done.stderr


@for_each(
    "duration, speed, divided",
    [("15s", 60, "250ms"), ("1d", 60, "1440000ms"), ("0s", 60, "0ms"), ("30d", 1, "2592000000ms")],
)
def test_divides(duration: str, speed: float, divided: str) -> None:
    assert divide(duration, speed) == divided


def test_refuses_to_wait_less_than_a_millisecond() -> None:
    with pytest.raises(CommandError, match="1ms divided by 2 is less than a millisecond"):
        divide("1ms", 2)


@for_each(
    "name", ["slo:error_ratio:5m", "whatsself:down:ratio_1h", "collector:increase10m", "http://127.0.0.1:9090/5m"]
)
def test_names_that_hold_a_duration_stay(name: str) -> None:
    assert faster(name, 60) == name


def test_words_and_labels_of_a_rule_stay() -> None:
    text = "- alert: A\n  expr: x[5m]\n  for: 2m\n  labels:\n    long: 1h\n  annotations:\n    summary: Not in 3m.\n"

    assert faster_rules(text, 60) == text.replace("[5m]", "[5000ms]").replace("for: 2m", "for: 2000ms")


class TestStack:
    """Files that a stack of another speed writes."""

    def test_is_scaled_everywhere(self, tmp_path: Path) -> None:
        config = StackConfig(data=tmp_path, environ={}, speed=60, only=("collector", "prometheus", "alertmanager"))
        write_prometheus_config(config, runs=config.only)
        write_alertmanager_config(config)
        folder = tmp_path / "config"
        route = yaml.safe_load((folder / "alertmanager/alertmanager.yml").read_text("utf-8"))["route"]

        assert yaml.safe_load((folder / "prometheus/prometheus.yml").read_text("utf-8"))["global"] == {
            "scrape_interval": "500ms",
            "evaluation_interval": "500ms",
        }
        assert (route["group_wait"], route["group_interval"]) == ("500ms", "5000ms")
        assert not any("active_time_intervals" in each for each in route["routes"])
        assert "[10000ms]" in (folder / "prometheus/rules/queue.yml").read_text("utf-8")
        assert (folder / "prometheus/targets/loki.yml").read_text("utf-8") == "[]\n"

    def test_is_as_shipped_at_the_usual_speed(self, tmp_path: Path) -> None:
        write_prometheus_config(StackConfig(data=tmp_path, environ={}), runs=())

        for path in RULES:
            assert (tmp_path / "config/prometheus/rules" / path.name).read_text("utf-8") == path.read_text("utf-8")
