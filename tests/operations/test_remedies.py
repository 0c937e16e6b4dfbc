"""Every runbook has commands for every alert, in both languages, and the commands exist."""

from __future__ import annotations

import re
import shlex
import subprocess

import pytest
import yaml
from markdown_pages import ROOT, read
from rows import for_each
from runbook_pages import BOTH, ENGLISH, PORTUGUESE, commands, sections

from whatsself_otel.cli import parser
from whatsself_otel.operations.model import Source
from whatsself_otel.operations.remedies import names, remedy
from whatsself_otel.operations.rules import alerts
from whatsself_otel.operations.runbooks import runbooks

ALERTS = {alert.name: alert for alert in alerts(Source.load())}
TOLD = {name for name, alert in ALERTS.items() if alert.severity != "none"}
SECTIONS = {page: sections(page) for page in BOTH}
SERVICES = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"]
PROGRAMS = {"collector", "prometheus", "alertmanager", "victorialogs", "jaeger"}
SPOKEN_OF = re.compile(r"WhatsSelf[A-Z]\w+")
CAPITALS = {"ENVIRONMENT", "SESSION", "MESSAGE_ID", "POD"}
"""Placeholders that a reader fills from the alert."""


class TestEveryAlert:
    def test_has_something_written_about_it_and_nothing_is_written_about_another(self) -> None:
        assert names() == ALERTS.keys()

    @for_each("name", sorted(TOLD - {"WhatsSelfSloBudgetExhausted"}))
    def test_that_tells_people_gives_them_a_step(self, name: str) -> None:
        """An exhausted budget needs time, and no command."""
        assert remedy(name).steps

    def test_that_nobody_has_written_about_is_an_error(self) -> None:
        with pytest.raises(KeyError):
            remedy("WhatsSelfComet")

    @for_each("name", ALERTS)
    def test_leads_to_neighbours_that_exist(self, name: str) -> None:
        near = {f"WhatsSelf{each}" for each in remedy(name).near}

        assert near <= ALERTS.keys() - {name}
        assert near

    @for_each("page", BOTH)
    def test_has_a_heading_to_lead_to_and_no_other_is_spoken_of(self, page: str) -> None:
        assert SECTIONS[page].keys() == ALERTS.keys()
        assert set(SPOKEN_OF.findall(read(page))) <= ALERTS.keys()


class TestPages:
    @for_each(
        "page, headings",
        [
            (ENGLISH, ["Meaning", "Impact", "Checks", "Fix", "Over", "Escalate", "Silence", "Near it", "The rule"]),
            (
                PORTUGUESE,
                [
                    "Significado",
                    "Impacto",
                    "Verificações",
                    "Correção",
                    "Fim",
                    "Escalar",
                    "Silenciar",
                    "Perto dele",
                    "A regra",
                ],
            ),
        ],
    )
    def test_have_every_part_in_order(self, page: str, headings: list[str]) -> None:
        found = {name: re.findall(r"^### (.+)$", text, re.MULTILINE) for name, text in SECTIONS[page].items()}

        assert found == dict.fromkeys(ALERTS, headings)

    def test_tell_the_same_commands_in_both_languages(self) -> None:
        english, portuguese = ({name: commands(text) for name, text in SECTIONS[page].items()} for page in BOTH)

        assert english == portuguese

    @for_each("name", sorted(TOLD))
    def test_say_of_a_critical_one_two_hours_and_of_a_warning_a_day(self, name: str) -> None:
        hours = 2 if any(each.severity == "critical" for each in alerts(Source.load()) if each.name == name) else 24
        silences = [each for each in commands(SECTIONS[ENGLISH][name]) if "silence add" in each]

        assert len(silences) == 2
        assert all(f"--duration={hours}h" in each and f'alertname="{name}"' in each for each in silences)

    def test_of_what_tells_nobody_silence_nothing(self) -> None:
        quiet = ALERTS.keys() - TOLD
        assert quiet
        for name in quiet:
            assert "silence add" not in SECTIONS[ENGLISH][name]

    def test_say_how_long_a_rule_looks_back(self) -> None:
        assert "looks back 15m" in SECTIONS[ENGLISH]["WhatsSelfQueueStuck"]
        assert "olha 15m para trás" in SECTIONS[PORTUGUESE]["WhatsSelfQueueStuck"]

    def test_follow_the_address_of_the_dashboards(self) -> None:
        source = Source.load()
        source.values["links"] = {**source["links"], "dashboards": "https://grafana.example.org/d"}
        page = runbooks(source)["pt-BR/runbooks.md"]

        assert "https://grafana.example.org/d/whatsself-overview-pt?from=now-6h&to=now&var-environment=" in page


ALL = sorted({command for page in BOTH for text in SECTIONS[page].values() for command in commands(text)})


class TestCommands:
    @for_each("command", ALL)
    def test_of_a_runbook_are_read_by_the_shell_and_by_our_own(self, command: str) -> None:
        done = subprocess.run(["bash", "-n", "-c", command], capture_output=True, text=True, check=False)

        assert done.stderr == ""
        for part in command.split("&&"):
            words = shlex.split(part)
            if words[0] == "whatsself-otel":
                parser().parse_args(words[1:])

    @for_each("command", [each for each in ALL if "docker compose" in each])
    def test_name_services_of_the_compose_file(self, command: str) -> None:
        asked = re.findall(r"docker compose (?:logs|up|restart|ps|exec)((?: --?[\w-]+(?: \d+)?)*) ([a-z]+)", command)

        assert asked
        assert {name for _, name in asked} <= SERVICES.keys()

    def test_name_programs_of_the_native_stack(self) -> None:
        asked = {name for each in ALL for name in re.findall(r"stack logs (\w+)", each)}

        assert asked == PROGRAMS

    def test_leave_to_the_reader_only_what_the_alert_names(self) -> None:
        text = " ".join(re.sub(r"\$\{?\w+|\{\{.*?\}\}|--request POST|HEAD~1", "", each) for each in ALL)

        assert set(re.findall(r"(?<![\w.])[A-Z][A-Z_]{2,}\b", text)) <= CAPITALS
