"""Alerts reach the right people: routes by amtool, inhibition and messages by a real Alertmanager."""

from __future__ import annotations

import email
import email.policy
import json
import re
import socketserver
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from alert_variables import alert_variables
from alertmanager_server import alertmanager, fire, inbox, wait_for
from binaries import ROOT, get, need, run_once
from rows import for_each

from whatsself_otel.cli.prove_alerts import (
    NEVER_INHIBITED,
    alert_rules,
    expected_receiver,
    inhibitors,
    matches,
    rule_name,
)
from whatsself_otel.stack.alerting import DEFAULT_HOURS, AlertingConfig, render, write_folder
from whatsself_otel.stack.errors import CommandError
from whatsself_otel.stack.native_stack import StackConfig, write_alertmanager_config

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FOLDER = ROOT / "backends" / "alertmanager"
CONFIG = yaml.safe_load((FOLDER / "alertmanager.yml").read_text("utf-8"))
ALERTS = list(alert_rules(ROOT / "backends" / "prometheus" / "rules"))


class TestConfig:
    """From variables to a file."""

    def test_needs_no_secret_by_default(self) -> None:
        assert list(AlertingConfig.from_environment({}).problems()) == []
        assert "_file" not in render(AlertingConfig())

    @for_each("name", ["ALERT_SLACK_URL_FILE", "ALERT_SMTP_PASSWORD_FILE", "ALERT_HEARTBEAT_URL_FILE"])
    @for_each("content", [None, "", " \n"])
    def test_refuses_a_missing_or_empty_secret_by_name(self, tmp_path: Path, name: str, content: str | None) -> None:
        variables = alert_variables(tmp_path, **{name: str(tmp_path / "other")})
        if content is not None:
            (tmp_path / "other").write_text(content, "utf-8")

        with pytest.raises(CommandError, match=f"{name} names .*other, which is missing or empty"):
            AlertingConfig.from_environment(variables)

    def test_refuses_a_channel_of_slack_without_its_webhook(self) -> None:
        with pytest.raises(CommandError, match=r"ALERT_SLACK_CHANNEL is set and ALERT_SLACK_URL_FILE is not\."):
            AlertingConfig.from_environment({"ALERT_SLACK_CHANNEL": "#sales"})

    def test_the_native_stack_refuses_it_before_anything_is_written(self, tmp_path: Path) -> None:
        config = StackConfig(data=tmp_path / "data", environ={"ALERT_SLACK_URL_FILE": str(tmp_path / "none")})

        with pytest.raises(CommandError, match="ALERT_SLACK_URL_FILE"):
            write_alertmanager_config(config)

        assert not (tmp_path / "data").exists()

    @for_each("name", ["ALERT_SMTP_SMARTHOST", "ALERT_SMTP_FROM", "ALERT_SMTP_PASSWORD_FILE"])
    def test_names_what_e_mail_lacks(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(CommandError, match=name):
            AlertingConfig.from_environment(alert_variables(tmp_path, **{name: ""}))

    def test_no_secret_is_written_into_it(self, tmp_path: Path) -> None:
        assert "127.0.0.1:1/secret" not in render(AlertingConfig.from_environment(alert_variables(tmp_path)))

    def test_takes_the_applications_business_hours(self) -> None:
        variables = {
            "BUSINESS_HOURS": "mon-thu 08:30-20:00; fri-sat 20:00-02:00",
            "TIMEZONE": "America/Manaus",
            "HOLIDAYS": "2026-12-25",
        }

        hours, holidays = yaml.safe_load(render(AlertingConfig.from_environment(variables)))["time_intervals"]

        assert [(each["weekdays"], *each["times"][0].values()) for each in hours["time_intervals"]] == [
            (["monday", "tuesday", "wednesday", "thursday"], "08:30", "20:00"),
            (["friday", "saturday"], "20:00", "24:00"),
            (["saturday", "sunday"], "00:00", "02:00"),
        ]
        assert {each["location"] for each in hours["time_intervals"]} == {"America/Manaus"}
        assert holidays["time_intervals"] == [
            {"years": ["2026"], "months": ["12"], "days_of_month": ["25"], "location": "America/Manaus"}
        ]

    def test_an_address_of_the_runbooks_leads_to_both_languages(self, tmp_path: Path) -> None:
        variables = {"ALERT_RUNBOOKS_URL": "https://wiki.example.org/ops/runbooks.html"}
        write_folder(tmp_path, "", AlertingConfig.from_environment(variables))

        links = re.findall(r"^https?:.*$", (tmp_path / "templates/links.tmpl").read_text("utf-8"), re.MULTILINE)
        assert links[:2] == [
            "https://wiki.example.org/ops/runbooks.html",
            "https://wiki.example.org/ops/pt-BR/runbooks.html",
        ]

    def test_the_shipped_hours_are_those_of_slo_yaml(self) -> None:
        hours = yaml.safe_load((ROOT / "backends" / "slo.yaml").read_text("utf-8"))["business_hours"]

        assert (hours["hours"], hours["time_zone"]) == DEFAULT_HOURS

    @for_each("hours", ["9-18", "09:00-25:00", "09:00"])
    def test_refuses_other_hours(self, hours: str) -> None:
        with pytest.raises(CommandError, match="BUSINESS_HOURS must be like 'mon-fri 09:00-18:00"):
            AlertingConfig.from_environment({"BUSINESS_HOURS": hours})

    @pytest.mark.backend
    def test_is_valid_with_everything_switched_on(self, tmp_path: Path) -> None:
        config = StackConfig(data=tmp_path, environ=alert_variables(tmp_path))
        write_alertmanager_config(config)

        done = run_once([need("amtool"), "check-config", tmp_path / "config/alertmanager/alertmanager.yml"])

        assert done.returncode == 0, done.stderr

    def test_repeats_at_multiples_of_the_groups_interval(self) -> None:
        minutes = {"m": 1, "h": 60}
        root = CONFIG["route"]

        # The heartbeat's are no multiples on purpose: it is sent by the third look, a minute after the last.
        for route in [root, *(each for each in root["routes"] if each["receiver"] != "dead-man")]:
            group, repeat = (
                int(text[:-1]) * minutes[text[-1]]
                for text in (route.get("group_interval", root["group_interval"]), route.get("repeat_interval", "12h"))
            )
            assert repeat % group == 0


@pytest.mark.backend
@pytest.mark.parametrize("rule", ALERTS, ids=rule_name)
def test_route(rule: dict[str, Any]) -> None:
    labels = [f"{key}={value}" for key, value in {"alertname": rule["alert"], **rule["labels"]}.items()]
    expected = f"--verify.receivers={expected_receiver(rule)}"

    done = run_once([
        need("amtool"), "config", "routes", "test", f"--config.file={FOLDER / 'alertmanager.yml'}", expected, *labels
    ])  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def mail_server() -> Iterator[tuple[int, list[str]]]:
    """Take mail as SMTP, without TLS or login, and keep each message."""
    messages: list[str] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 test\r\n")
            for line in self.rfile:
                command = line[:4].upper()
                if command == b"DATA":
                    self.wfile.write(b"354 go on\r\n")
                    messages.append(b"".join(iter(self.rfile.readline, b".\r\n")).decode())
                self.wfile.write(b"221 bye\r\n" if command == b"QUIT" else b"250 ok\r\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1], messages
        finally:
            server.shutdown()
            thread.join()


def statuses(url: str) -> dict[str, str]:
    """Return the state of each alert by its name and objective."""
    alerts = json.loads(get(f"{url}/api/v2/alerts") or b"[]")
    return {
        f"{alert['labels']['alertname']}{alert['labels'].get('severity', '')}": alert["status"]["state"]
        for alert in alerts
    }


STAGING = {"deployment_environment_name": "staging"}
EVERYWHERE = {"deployment_environment_name": ""}
INHIBITIONS = CONFIG["inhibit_rules"]


def example(rule: dict[str, Any]) -> dict[str, str]:
    where = {"job": "whatsself", "session": "main", "deployment_environment_name": "production"}
    return {"alertname": rule["alert"], **where, **rule["labels"]}


def silences(source: dict[str, str], target: dict[str, str], inhibition: dict[str, Any]) -> bool:
    """Whether Alertmanager should keep *target* silent because of *source*."""
    return (
        all(matches(matcher, source) for matcher in inhibition["source_matchers"])
        and all(matches(matcher, target) for matcher in inhibition["target_matchers"])
        and all(source.get(label, "") == target.get(label, "") for label in inhibition.get("equal", ()))
    )


def is_source(rule: dict[str, Any], inhibition: dict[str, Any]) -> bool:
    return all(matches(matcher, example(rule)) for matcher in inhibition["source_matchers"])


BY_NAME = {rule_name(rule): rule for rule in ALERTS}
SOURCES = sorted({name for name, rule in BY_NAME.items() for each in INHIBITIONS if is_source(rule, each)})


@pytest.mark.backend
class TestInhibition:
    """One cause, one message: seen on a running Alertmanager."""

    @pytest.mark.parametrize("source", SOURCES)
    def test_a_cause_keeps_its_consequences_silent_and_no_others(self, source: str, tmp_path: Path) -> None:
        cause = example(BY_NAME[source])
        others = {name: example(rule) for name, rule in BY_NAME.items() if rule["alert"] != cause["alertname"]}
        others |= {f"{name} of staging": labels | STAGING for name, labels in others.items()}
        expected = {name for name, labels in others.items() if any(silences(cause, labels, it) for it in INHIBITIONS)}
        # What silences others itself would be one cause more.
        told = {name for name in others if name.partition(" ")[0] not in SOURCES}
        expected &= told

        with alertmanager(tmp_path, {}) as url:
            fire(url, cause)
            wait_for(lambda: statuses(url), "the first alert")
            fire(url, *(labels | {"case": name} for name, labels in others.items() if name in told))
            states = wait_for(lambda: _states(url, len(told) + 1), "all alerts")

        assert {name for name, state in states.items() if state == "suppressed"} == expected

    def test_an_open_breaker_that_waits_for_business_hours_silences_no_page(self, tmp_path: Path) -> None:
        with alertmanager(tmp_path, {}) as url:
            fire(url, example(BY_NAME["WhatsSelfBreakerOpen"]))
            names = ("WhatsSelfQueueStuck", "WhatsSelfSendFailureHigh", "WhatsSelfQueueBacklog")
            fire(url, *(example(BY_NAME[name]) for name in names))
            found = wait_for(lambda: _settled(url, 4), "all four")

        assert found == {
            "WhatsSelfBreakerOpenwarning": "active",
            "WhatsSelfQueueStuckcritical": "active",
            "WhatsSelfSendFailureHighcritical": "active",
            "WhatsSelfQueueBacklogwarning": "suppressed",
        }

    def test_what_waits_for_business_hours_silences_no_page(self) -> None:
        waiting = [example(rule) for rule in ALERTS if rule["labels"]["severity"] == "warning"]
        pages = [example(rule) for rule in ALERTS if rule["labels"]["severity"] == "critical"]

        assert not [
            (one["alertname"], page["alertname"])
            for one in waiting
            for page in pages
            for each in INHIBITIONS
            if silences(one, page, each)
        ]

    def test_no_page_silences_a_page_of_another_session(self) -> None:
        """Only a service without any connected session explains alerts without a session, or of another one."""
        pages = [example(rule) for rule in ALERTS if rule["labels"]["severity"] == "critical"]
        without = [{key: value for key, value in page.items() if key != "session"} for page in pages]

        for one in pages:
            for other in [*without, *(page | {"session": "other"} for page in pages)]:
                if one["alertname"] not in {"WhatsSelfTelemetryAbsent", "WhatsSelfCollectorDown"}:
                    assert not any(silences(one, other, each) for each in INHIBITIONS), (one, other)

    def test_one_lost_session_of_three_keeps_only_its_own_consequences_silent(self, tmp_path: Path) -> None:
        down, away, stuck, breaker = (
            example(BY_NAME[f"WhatsSelf{name}"])
            for name in ("SessionDown", "SessionAway", "QueueStuck", "BreakerStuck")
        )
        with alertmanager(tmp_path, {}) as url:
            fire(url, down | {"case": "down"}, away | {"case": "away"})
            wait_for(lambda: _states(url, 2), "the cause")
            whole = {key: value for key, value in stuck.items() if key != "session"}
            fire(
                url,
                stuck | {"case": "its queue"},
                stuck | {"session": "other", "case": "the other's queue"},
                whole | {"case": "the queue of all"},
                breaker | {"session": "", "case": "the breaker"},
            )
            found = wait_for(lambda: _states(url, 6), "all six")
            nothing = {key: value for key, value in away.items() if key != "session"}
            fire(url, nothing | {"case": "all away"})
            wait_for(lambda: _states(url, 7), "the last session's loss")
            wait_for(lambda: _states(url, 7)["the breaker"] == "suppressed", "the breaker's silence")  # type: ignore[index]
            later = _states(url, 7)

        assert {name for name, state in found.items() if state == "suppressed"} == {"its queue"}
        assert later is not None
        assert {name for name, state in later.items() if state == "active"} == {"down", "away", "all away"}

    def test_a_lost_collector_keeps_silent_only_what_silence_explains(self, tmp_path: Path) -> None:
        names = ("SessionDown", "QueueStuck", "HttpErrorsHigh")
        with alertmanager(tmp_path, {}) as url:
            fire(
                url, {**example(BY_NAME["WhatsSelfCollectorDown"]), "job": "otelcol", "case": "collector"} | EVERYWHERE
            )
            wait_for(lambda: _states(url, 1), "the cause")
            fire(url, *(example(BY_NAME[f"WhatsSelf{name}"]) | {"case": name} for name in names))
            arrives_by_another_way = wait_for(lambda: _states(url, 4), "all four")
            fire(url, example(BY_NAME["WhatsSelfTelemetryAbsent"]) | {"job": "other", "case": "silence"})
            found = wait_for(lambda: _states(url, 5), "the silence of another service")

        assert set(arrives_by_another_way.values()) == {"active"}
        assert {name for name, state in found.items() if state == "suppressed"} == {"silence"}

    def test_another_service_is_still_told_about(self, tmp_path: Path) -> None:
        with alertmanager(tmp_path, {}) as url:
            fire(url, example(BY_NAME["WhatsSelfTelemetryAbsent"]))
            fire(url, example(BY_NAME["WhatsSelfQueueStuck"]) | {"job": "other"})
            found = wait_for(lambda: _settled(url, 2), "both")

        assert found["WhatsSelfQueueStuckcritical"] == "active"

    def test_a_page_about_an_objective_silences_its_ticket(self, tmp_path: Path) -> None:
        page, ticket = (
            {"alertname": "WhatsSelfSloBurn", "job": "whatsself", "component": "slo", "severity": severity}
            for severity in ("critical", "warning")
        )
        with alertmanager(tmp_path, {}) as url:
            fire(url, page | {"slo": "send-success"})
            fire(url, ticket | {"slo": "send-success"}, ticket | {"slo": "api-availability", "alertname": "Other"})
            found = wait_for(lambda: _settled(url, 3), "all three")

        assert found == {
            "WhatsSelfSloBurncritical": "active",
            "WhatsSelfSloBurnwarning": "suppressed",
            "Otherwarning": "active",
        }

    def test_each_alert_is_inhibited_by_something_or_named_as_never(self) -> None:
        free = {rule["alert"] for rule in ALERTS if not list(inhibitors(rule, CONFIG["inhibit_rules"]))}

        assert free == NEVER_INHIBITED


def _states(url: str, count: int) -> dict[str, str] | None:
    """Return the state of each alert by its ``case``, once there are so many."""
    alerts = json.loads(get(f"{url}/api/v2/alerts") or b"[]")
    found = {alert["labels"].get("case", "cause"): alert["status"]["state"] for alert in alerts}
    return found if len(found) >= count and "unprocessed" not in found.values() else None


def _settled(url: str, count: int) -> dict[str, str] | None:
    found = statuses(url)
    return found if len(found) >= count and "unprocessed" not in found.values() else None


@pytest.mark.backend
class TestMessages:
    """Messages at a Slack-shaped receiver and at the dead-man's listener."""

    def test_slack_gets_both_languages_escaped(self, tmp_path: Path) -> None:
        words = BY_NAME["WhatsSelfQueueStuck"]["annotations"] | {"summary": "5 < 6 & <!channel>"}
        with inbox() as slack:
            (tmp_path / "slack").write_text(slack.url, "utf-8")
            with alertmanager(tmp_path, {"ALERT_SLACK_URL_FILE": str(tmp_path / "slack")}) as url:
                fire(url, example(BY_NAME["WhatsSelfQueueStuck"]), annotations=words)
                body = wait_for(lambda: slack.bodies, "a message")[0]

        (attachment,) = body["attachments"]
        assert attachment["title"] == "[CRITICAL x1] WhatsSelfQueueStuck (whatsself, production, main)"
        assert "5 &lt; 6 &amp; &lt;!channel&gt;" in attachment["text"]
        assert "<!channel>" not in attachment["text"]
        assert words["description_pt"] in attachment["text"]
        assert "docs/runbooks.md#whatsselfqueuestuck" in attachment["text"]
        assert attachment["color"] == "danger"

    def test_slack_is_told_when_it_is_over(self, tmp_path: Path) -> None:
        rule = BY_NAME["WhatsSelfQueueStuck"]
        with inbox() as slack:
            (tmp_path / "slack").write_text(slack.url, "utf-8")
            with alertmanager(tmp_path, {"ALERT_SLACK_URL_FILE": str(tmp_path / "slack")}, group_interval="1s") as url:
                fire(url, example(rule), annotations=rule["annotations"])
                wait_for(lambda: slack.bodies, "a message")
                fire(url, example(rule), annotations=rule["annotations"], ends="2020-01-01T00:00:00Z")
                body = wait_for(lambda: slack.bodies[1:], "a second message")[0]

        assert body["attachments"][0]["title"] == "[OK] WhatsSelfQueueStuck (whatsself, production, main)"
        assert body["attachments"][0]["color"] == "good"

    def test_mail_carries_both_languages(self, tmp_path: Path) -> None:
        rule = BY_NAME["WhatsSelfSessionLoggedOut"]
        with mail_server() as (port, messages):
            variables = {
                "ALERT_SMTP_SMARTHOST": f"127.0.0.1:{port}",
                "ALERT_SMTP_FROM": "whatsself@example.org",
                "ALERT_SMTP_REQUIRE_TLS": "false",
                "ALERT_EMAIL_TO": "owner@example.org",
            }
            with alertmanager(tmp_path, variables) as url:
                fire(url, example(rule), annotations=rule["annotations"])
                message = wait_for(lambda: messages, "a mail")[0]

        mail = email.message_from_string(message, policy=email.policy.default)
        text = "\n".join(part.get_content() for part in mail.walk() if part.get_content_maintype() == "text")
        assert mail["Subject"] == "[CRITICAL x1] WhatsSelfSessionLoggedOut (whatsself, production, main)"
        assert rule["annotations"]["description"] in text
        assert rule["annotations"]["description_pt"] in text

    def test_the_dead_mans_switch_beats(self, tmp_path: Path) -> None:
        with inbox() as listener:
            (tmp_path / "url").write_text(listener.url, "utf-8")
            with alertmanager(tmp_path, {"ALERT_HEARTBEAT_URL_FILE": str(tmp_path / "url")}) as url:
                fire(url, example(BY_NAME["WhatsSelfWatchdog"]))
                body = wait_for(lambda: listener.bodies, "a heartbeat")[0]

        assert body["commonLabels"]["alertname"] == "WhatsSelfWatchdog"
        assert body["status"] == "firing"
