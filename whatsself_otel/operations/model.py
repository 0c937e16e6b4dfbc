"""The parts of a rule, and how they are written."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from whatsself_otel.stack.files import shipped

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT: Final = Path(__file__).resolve().parent.parent.parent
SOURCE: Final = ROOT / "backends" / "slo.yaml"


class Source:
    """
    The values of ``backends/slo.yaml``.

    Args:
        values: The parsed file.
        service: Service name the selectors follow; None: the file's own.
    """

    def __init__(self, values: Mapping[str, Any], *, service: str | None = None) -> None:
        self.values = dict(values)
        """The values of the file; a change here changes the rules."""
        self.service: str = service or values["service"]

    @classmethod
    def load(cls, path: Path | None = None, *, service: str | None = None) -> Source:
        """Read *path*; None: the shipped file."""
        return cls(yaml.safe_load((path or shipped("backends/slo.yaml")).read_text("utf-8")), service=service)

    def __getitem__(self, key: str) -> Any:
        value: Any = self.values
        for part in key.split("."):
            value = value[part]
        return value

    @property
    def job(self) -> str:
        """The matcher of every series of the service, in whichever namespace."""
        # Braces hold a backslash of RE2 inside a string of PromQL.
        return 'job=~"(.+/)?' + re.escape(self.service).replace("\\", "\\\\") + '"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A recording rule."""

    name: str
    expr: str
    labels: Mapping[str, str] = field(default_factory=dict)


APPLICATION: Final = "session|queue|sending|breaker|http|contacts|slo|worker|ban"
"""Components that are silent when the application is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """
    The words of an alert in one language.

    ``<key>`` stands for a value of backends/slo.yaml, ``<%key>`` for the same in per cent, ``<job>`` for the matcher of
    the service and ``<service>`` for its name.
    """

    summary: str
    description: str
    impact: str
    fix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A query to paste, with its title; ``logql`` is for Loki, ``logsql`` for VictoriaLogs."""

    en: str
    pt: str
    promql: str = ""
    logql: str = ""
    logsql: str = ""
    traceql: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """The words of an alert and of its runbook."""

    en: Page
    pt: Page
    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inhibition:
    """What stays silent while an alert fires."""

    targets: tuple[str, ...]
    """Matchers of the silent alerts."""
    equal: tuple[str, ...] = ()
    """Labels in which both agree."""
    sources: tuple[str, ...] = ()
    """Matchers of the alerts that silence; default: the name of the alert."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """An alerting rule, its words and its inhibitions: the source of all that is generated about it."""

    name: str
    expr: str
    severity: str
    component: str
    words: Words
    wait: str | None = None
    """How long the expression must hold; the rule's ``for``."""
    keep: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    dashboard: str = "overview"
    inhibits: tuple[Inhibition, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Rules that are evaluated one after the other."""

    name: str
    rules: tuple[Record | Alert, ...]
    interval: str | None = None


def duration(seconds: int) -> str:
    """Return *seconds* as a duration, which PromQL reads as the number."""
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


class _Dumper(yaml.SafeDumper):
    """Expressions as blocks, lists inside mappings indented."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: FBT001, FBT002, ARG002 - the library's signature
        super().increase_indent(flow, indentless=False)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def dump(value: object, heading: str) -> str:
    """Return *value* as YAML below a comment."""
    return f"# {heading}\n" + yaml.dump(value, Dumper=_Dumper, sort_keys=False, width=10_000, allow_unicode=True)
