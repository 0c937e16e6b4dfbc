"""Vendor files, seen from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from json_output import content
from rows import for_each

from whatsself_otel.cli import main
from whatsself_otel.stack import vendor_files
from whatsself_otel.stack.errors import CommandError
from whatsself_otel.stack.native import COLLECTOR, find_binary

HEADER = """\
# Somewhere, by OTLP.
# signals: traces, logs
# requires: SOME_KEY, SOME_URL
# optional: SOME_SITE=eu, SOME_LIST=[a, b], SOME_NAME
# temporality: delta
# checked: 2026-11-23
#
# The key is made on the page of keys.

exporters: {}
# signals: not this one
"""

needs_collector = pytest.mark.skipif(
    find_binary(COLLECTOR) is None, reason="the collector is not built (`make native`) and OTELCOL_BIN is not set"
)


@pytest.fixture
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for vendor in vendor_files.names():
        for variable in vendor_files.load(vendor).requires:
            monkeypatch.delenv(variable, raising=False)


class TestParse:
    """The contents of a header."""

    vendor = vendor_files.parse("some", Path("some.yaml"), HEADER)

    def test_summary_signals_and_notes(self) -> None:
        assert self.vendor.summary == "Somewhere, by OTLP."
        assert self.vendor.signals == ("traces", "logs")
        assert self.vendor.notes == ("The key is made on the page of keys.",)

    def test_variables_with_and_without_default(self) -> None:
        assert self.vendor.requires == ("SOME_KEY", "SOME_URL")
        assert self.vendor.optional == {"SOME_SITE": "eu", "SOME_LIST": "[a, b]", "SOME_NAME": ""}

    def test_the_rest_is_facts_and_ends_with_the_header(self) -> None:
        assert self.vendor.facts == {"temporality": "delta", "checked": "2026-11-23"}

    def test_none_is_nothing(self) -> None:
        vendor = vendor_files.parse("x", Path("x"), "# X.\n# signals: logs\n# requires: none\n# optional: none\n")

        assert (vendor.requires, vendor.optional) == ((), {})

    @for_each("name", vendor_files.names())
    def test_every_shipped_file_says_what_it_takes_and_needs(self, name: str) -> None:
        vendor = vendor_files.load(name)

        assert vendor.summary.endswith(".")
        assert set(vendor.signals) <= {"traces", "metrics", "logs"}
        assert vendor.signals
        assert {"temporality", "limits", "source", "checked"} <= vendor.facts.keys()

    @for_each("name", vendor_files.names())
    def test_every_variable_of_a_header_is_read_by_its_file(self, name: str) -> None:
        vendor = vendor_files.load(name)
        text = vendor.path.read_text("utf-8")

        assert [name for name in (*vendor.requires, *vendor.optional) if f"${{env:{name}" not in text] == []


class TestProblem:
    """A required variable, before start."""

    @for_each(
        "value, wanted",
        [
            ("", "KEY is empty"),
            ("   ", "KEY is empty"),
            ("abc\n", "KEY has a space at an end, or a line break"),
            (" abc", "KEY has a space at an end, or a line break"),
            ("changeme", "KEY is still a placeholder"),
            ("CHANGE_ME", "KEY is still a placeholder"),
            ("<your key>", "KEY is still a placeholder"),
            ("your-api-key", "KEY is still a placeholder"),
            ("${KEY}", "KEY is still a placeholder"),
            ("xxxx", "KEY is still a placeholder"),
            ("...", "KEY is still a placeholder"),
            ("TODO", "KEY is still a placeholder"),
        ],
    )
    def test_is_named_without_its_value(self, value: str, wanted: str) -> None:
        found = vendor_files.problem("KEY", {"KEY": value})

        assert found is not None
        assert found.startswith(wanted)
        assert not value.strip() or value not in found

    @for_each("value", ["hcaik_01j", "glc_eyJvIjoi", "pa$$w${o}rd", "https://otlp.example.com", "a b"])
    def test_real_values_pass(self, value: str) -> None:
        assert vendor_files.problem("KEY", {"KEY": value}) is None

    def test_a_missing_variable_names_both_ways_to_set_it(self) -> None:
        assert vendor_files.problem("KEY", {}) == "KEY is not set. Set it, or KEY_FILE to a file that holds it."

    def test_a_file_serves_as_well(self, tmp_path: Path) -> None:
        (tmp_path / "key").write_text("hcaik_01j\n", "utf-8")

        assert vendor_files.value_of("KEY", {"KEY_FILE": str(tmp_path / "key")}) == "hcaik_01j"

    def test_a_file_that_is_not_there_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(CommandError, match=r"KEY_FILE names .*cannot be read \(FileNotFoundError\)"):
            vendor_files.problem("KEY", {"KEY_FILE": str(tmp_path / "none")})


@pytest.mark.usefixtures("no_keys")
class TestCommand:
    """``whatsself-otel vendors``."""

    def test_list_names_every_file(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["vendors", "list"]) == 0
        assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == vendor_files.names()

    def test_list_as_json_says_what_each_needs(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["vendors", "list", "--json"]) == 0
        listed = {vendor["name"]: vendor["requires"] for vendor in json.loads(capsys.readouterr().out)["vendors"]}
        assert listed["honeycomb"] == ["HONEYCOMB_API_KEY"]

    def test_show_tells_whether_variables_are_set_and_never_their_values(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("HONEYCOMB_API_KEY", "hcaik_01j")

        assert main(["vendors", "show", "honeycomb"]) == 0
        shown = capsys.readouterr().out
        assert "HONEYCOMB_API_KEY is set" in shown
        assert "hcaik_01j" not in shown

    def test_show_as_json_is_one_vendor(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["vendors", "show", "honeycomb", "--json"]) == 0
        shown = json.loads(capsys.readouterr().out)

        assert (shown["name"], shown["requires"]) == ("honeycomb", ["HONEYCOMB_API_KEY"])

    def test_an_unknown_vendor_is_status_2_with_the_nearest_name(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["vendors", "show", "honeycom"]) == 2
        assert "No vendor is called 'honeycom'. Did you mean honeycomb?" in capsys.readouterr().err

    def test_check_names_every_problem_of_every_vendor(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["vendors", "check", "honeycomb", "datadog", "--json"]) == 2
        problems = json.loads(capsys.readouterr().out)["problems"]
        assert [problem.partition(" is not set")[0] for problem in problems] == [
            "honeycomb: HONEYCOMB_API_KEY",
            "datadog: DD_API_KEY",
        ]

    @needs_collector
    @pytest.mark.collector
    def test_check_lets_the_collector_validate(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("HONEYCOMB_API_KEY", "hcaik_01j")

        assert main(["vendors", "check", "honeycomb", "local", "--json"]) == 0
        assert content(capsys.readouterr().out) == {"problems": [], "validated": True}

    @needs_collector
    @pytest.mark.collector
    def test_check_tells_what_the_collector_refuses(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("OTLP_ENDPOINT", "https://otlp.example.com")
        monkeypatch.setenv("OTLP_COMPRESSION", "squeeze")

        assert main(["vendors", "check", "otlp"]) == 2
        assert "squeeze" in capsys.readouterr().out
