"""The runbooks: one page a language, in which each alert has a heading of its own to lead to."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from whatsself_otel.operations.promql import minutes
from whatsself_otel.operations.remedies import remedy
from whatsself_otel.operations.rules import alerts
from whatsself_otel.operations.runbook_words import ENGLISH, PORTUGUESE
from whatsself_otel.operations.texts import fill

if TYPE_CHECKING:
    from collections.abc import Iterator

    from whatsself_otel.operations.model import Alert, Check, Page, Source
    from whatsself_otel.operations.runbook_words import Language
    from whatsself_otel.operations.steps import Step

LANGUAGES: Final = ("promql", "logql", "logsql", "traceql")


def runbooks(source: Source) -> dict[str, str]:
    """Return the text of each language's page, by its path in docs."""
    return {f"{words.folder}runbooks.md": _page(source, words) for words in (ENGLISH, PORTUGUESE)}


def _page(source: Source, words: Language) -> str:
    by_name: dict[str, list[Alert]] = {}
    for alert in alerts(source):
        by_name.setdefault(alert.name, []).append(alert)
    rows = [
        f"| {_link(name)} | {'/'.join(sorted({rule.severity for rule in rules}))} | "
        f"{_plain(fill(_words(rules, words).description, source))} |"
        for name, rules in by_name.items()
    ]
    parts = [
        f"# {words.title}",
        _HEADING,
        words.names,
        "\n".join([words.table, *rows]),
        *(part for name, rules in by_name.items() for part in _section(name, rules, source, words)),
    ]
    return "\n\n".join(parts) + "\n"


def _link(name: str) -> str:
    return f"[{name}](#{name.lower()})"


_HEADING: Final = (
    "<!-- Generated from backends/slo.yaml and whatsself_otel/operations/ by tools/generate_rules.py; do not edit. -->"
)


def _section(name: str, rules: list[Alert], source: Source, words: Language) -> Iterator[str]:
    text = _words(rules, words)
    yield f"## {name}"
    yield f"### {words.meaning}\n\n{_plain(fill(text.description, source))}"
    yield f"### {words.impact}\n\n{fill(text.impact, source)}"
    yield f"### {words.checks}"
    for number, check in enumerate(rules[0].words.checks, 1):
        yield _check(number, check, source, words)
    yield f"### {words.fix}\n\n{fill(text.fix, source)}"
    yield from _steps(remedy(name).steps, words)
    yield from _end(name, rules, words)
    yield from _people(name, rules, words)
    yield f"{words.dashboard}:\n\n```text\n{_dashboard(rules[0], source, words)}\n```"
    yield f"### {words.near}\n\n{_near(name, words)}"
    yield f"### {words.rule}"
    for rule in rules:
        yield _shown(rule, words)


def _steps(steps: tuple[Step, ...], words: Language) -> Iterator[str]:
    for number, step in enumerate(steps, 1):
        commands = {way: getattr(step, way) for way in words.ways}
        yield f"{number}. {getattr(step, words.key)}{':' if any(commands.values()) else '.'}"
        for way, command in commands.items():
            if command:
                code = command.replace("\n", "\n   ")
                yield f"   {words.ways[way]}:\n\n   ```bash\n   {code}\n   ```"


def _fires(name: str) -> str:
    """Two minutes, not the usual five: a Prometheus that was started again shows what fired before its end."""
    return f'last_over_time(ALERTS{{alertname="{name}", alertstate="firing"}}[2m])'


def _end(name: str, rules: list[Alert], words: Language) -> Iterator[str]:
    yield f"### {words.over}\n\n{words.ended}:\n\n```promql\n{_fires(name)}\n```"
    windows = [window for rule in rules for window in re.findall(r"\[(\d+[mhd])[\]:]", rule.expr)]
    said = [words.looks_back.format(window=max(windows, key=minutes))] if windows else []
    said += [words.stays.format(keep=keep) for keep in sorted({rule.keep for rule in rules if rule.keep})]
    said += [words.waits_for_hours] if any(rule.severity == "warning" for rule in rules) else []
    if said:
        yield " ".join(said)


_HOURS: Final = {"critical": 2, "warning": 24}
"""How long somebody may work on an alert in peace; a cause that lasts longer is told again."""
_STRONGEST: Final = ("critical", "warning", "none")


def _people(name: str, rules: list[Alert], words: Language) -> Iterator[str]:
    severity = min((rule.severity for rule in rules), key=_STRONGEST.index)
    if severity == "none":
        yield f"### {words.escalate}\n\n{words.whom['none']}."
        yield f"### {words.silence}\n\n{words.never}"
        return
    hours = _HOURS[severity]
    yield f"### {words.escalate}\n\n{words.whom[severity]}: {words.whom[remedy(name).escalate]}."
    yield f"### {words.silence}\n\n{words.silenced.format(hours=hours)}:"
    matchers = f'alertname="{name}" deployment_environment_name="ENVIRONMENT"'
    if any("session" in rule.expr for rule in rules) and "session" in {rule.component for rule in rules}:
        matchers += ' session="SESSION"'
    amtool = (
        f"amtool silence add --alertmanager.url=http://127.0.0.1:9093 --duration={hours}h --comment=repair {matchers}"
    )
    commands = {
        "compose": f"docker compose exec alertmanager {amtool}",
        "kubernetes": f"kubectl --namespace monitoring exec statefulset/alertmanager -- {amtool}",
    }
    for way, command in commands.items():
        yield f"{words.ways[way]}:\n\n```bash\n{command}\n```"
    form = f"http://127.0.0.1:9093/#/silences/new?filter=%7Balertname%3D%22{name}%22%7D"
    yield f"{words.ways['native']}:\n\n```text\n{form}\n```"


def _dashboard(rule: Alert, source: Source, words: Language) -> str:
    page = f"{source['links.dashboards']}/whatsself-{rule.dashboard}{words.uid_ending}"
    session = "&var-session=SESSION" if rule.component in {"session", "queue", "sending"} else ""
    return f"{page}?from=now-6h&to=now&var-environment=ENVIRONMENT{session}"


def _near(name: str, words: Language) -> str:
    near = [_link(f"WhatsSelf{each}") for each in remedy(name).near]
    return ", ".join([*near, f"[{words.title}](#{words.title.lower()})"]) + "."


def _words(rules: list[Alert], words: Language) -> Page:
    found: Page = getattr(rules[0].words, words.key)
    return found


def _check(number: int, check: Check, source: Source, words: Language) -> str:
    queries = {language: getattr(check, language) for language in LANGUAGES}
    asked = [_asked(language, fill(query, source), words) for language, query in queries.items() if query]
    return "\n\n".join([f"{number}. {getattr(check, words.key)}:", *asked])


def _asked(language: str, query: str, words: Language) -> str:
    lead = f"   {words.natively}:\n\n" if language == "logsql" else ""
    return f"{lead}   ```{language}\n   {query}\n   ```"


def _shown(rule: Alert, words: Language) -> str:
    labels = ", ".join(f"{key}={value}" for key, value in {"severity": rule.severity, **rule.labels}.items())
    waits = f"; {words.waits}: {rule.wait}" if rule.wait else ""
    return f"`{labels}`{waits}\n\n```promql\n{rule.expr}\n```"


def _plain(text: str) -> str:
    """Turn what Prometheus fills in into a plain ellipsis or the label's name."""
    words = text.replace("{{ ", "").replace(" }}", "").replace("$labels.", "").replace("$value", "…")
    return words.replace(" | humanizePercentage", "").replace(" | humanizeDuration", "").replace(" | humanize", "")
