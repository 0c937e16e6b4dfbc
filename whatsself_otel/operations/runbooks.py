"""A runbook for every alert, in both languages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from whatsself_otel.operations.rules import alerts
from whatsself_otel.operations.texts import fill

if TYPE_CHECKING:
    from collections.abc import Iterator

    from whatsself_otel.operations.model import Alert, Check, Page, Source

LANGUAGES: Final = ("promql", "logql", "logsql", "traceql")


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """The fixed words of one language."""

    key: str
    folder: str
    meaning: str
    impact: str
    checks: str
    natively: str
    fix: str
    rule: str
    waits: str
    table: str
    title: str


_ENGLISH: Final = Language(
    key="en",
    folder="",
    meaning="Meaning",
    impact="Impact",
    checks="Checks",
    natively="In VictoriaLogs, the native stack's log store",
    fix="Fix",
    rule="The rule",
    waits="Must hold for",
    table="| Alert | Severity | What it says |\n| --- | --- | --- |",
    title="Runbooks",
)
_PORTUGUESE: Final = Language(
    key="pt",
    folder="pt-BR/",
    meaning="Significado",
    impact="Impacto",
    checks="Verificações",
    natively="No VictoriaLogs, o armazém de logs do stack nativo",
    fix="Correção",
    rule="A regra",
    waits="Precisa durar",
    table="| Alerta | Severidade | O que diz |\n| --- | --- | --- |",
    title="Runbooks",
)


def runbooks(source: Source) -> dict[str, str]:
    """Return the text of every page, by its path in docs/runbooks."""
    return {path: text for words in (_ENGLISH, _PORTUGUESE) for path, text in _pages(source, words)}


def _pages(source: Source, words: Language) -> Iterator[tuple[str, str]]:
    by_name: dict[str, list[Alert]] = {}
    for alert in alerts(source):
        by_name.setdefault(alert.name, []).append(alert)
    for name, rules in by_name.items():
        yield f"{words.folder}{name.lower()}.md", _page(name, rules, source, words)
    rows = [
        f"| [{name}]({name.lower()}.md) | {'/'.join(sorted({rule.severity for rule in rules}))} | "
        f"{_plain(fill(_words(rules, words).description, source))} |"
        for name, rules in by_name.items()
    ]
    yield f"{words.folder}README.md", "\n".join([f"# {words.title}", "", _HEADING, "", words.table, *rows, ""])


_HEADING: Final = (
    "<!-- Generated from backends/slo.yaml and whatsself_otel/operations/ by tools/generate_rules.py; do not edit. -->"
)


def _page(name: str, rules: list[Alert], source: Source, words: Language) -> str:
    text = _words(rules, words)
    parts = [
        f"# {name}",
        _HEADING,
        f"## {words.meaning}\n\n{_plain(fill(text.description, source))}",
        f"## {words.impact}\n\n{fill(text.impact, source)}",
        f"## {words.checks}",
        *(_check(number, check, source, words) for number, check in enumerate(rules[0].words.checks, 1)),
        f"## {words.fix}\n\n{fill(text.fix, source)}",
        f"## {words.rule}",
        *(_shown(rule, words) for rule in rules),
    ]
    return "\n\n".join(parts) + "\n"


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
