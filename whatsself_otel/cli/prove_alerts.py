"""``whatsself-otel prove-alerts``: has each alert its tests, route, inhibition and words, and do the tests pass."""

from __future__ import annotations

import argparse
import importlib
import re
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree as ET

from whatsself_otel.cli.progress import busy
from whatsself_otel.cli.terminal import print_json, show
from whatsself_otel.language import translated
from whatsself_otel.stack.errors import FAILED, MISSING, CommandError, unknown_name
from whatsself_otel.stack.files import shipped
from whatsself_otel.stack.native import need_binary

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

KINDS: Final = ("firing", "healthy", "boundary", "absent", "environment")
WORDS: Final = ("summary", "summary_pt", "description", "description_pt", "runbook_url", "dashboard_url")
RECEIVERS: Final = {"critical": "critical", "warning": "warning", "none": "nobody"}
"""Receiver of each severity."""
WATCHDOG: Final = "WhatsSelfWatchdog"

NEVER_INHIBITED: Final = frozenset({
    "WhatsSelfAlertsNotDelivered",
    "WhatsSelfBackendDown",
    "WhatsSelfCollectorDown",
    "WhatsSelfCollectorLosing",
    "WhatsSelfCollectorQueueFilling",
    "WhatsSelfCollectorQueueSetAside",
    "WhatsSelfCollectorRefusing",
    "WhatsSelfCollectorReplicaDown",
    "WhatsSelfCollectorUnaccounted",
    "WhatsSelfReloadFailed",
    "WhatsSelfRulesFailing",
    "WhatsSelfStorageFailing",
    "WhatsSelfStorageFilling",
    "WhatsSelfStoreDiscards",
})  # fmt: skip
"""Alerts that no other alert silences."""

_EXAMPLES: Final = """\
examples:
  whatsself-otel prove-alerts
  whatsself-otel prove-alerts WhatsSelfQueueStuck WhatsSelfSessionDown
  whatsself-otel prove-alerts --json
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """The proof of one alerting rule."""

    rule: str
    tests: Mapping[str, int] = field(default_factory=dict)
    """Tests that passed, by kind."""
    failed: tuple[str, ...] = ()
    receiver: str = ""
    inhibited_by: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``prove-alerts``."""
    parser = subparsers.add_parser(
        "prove-alerts",
        help="are the alerts tested, routed and worded",
        description="Runs each alert's tests with promtool and its route with amtool. Exit status 1: one lacks any.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("alert", nargs="*", help="names of alerts; none: all")
    parser.add_argument("--json", action="store_true", help="for machines")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    with busy("Running the tests of the alerts"):
        proofs = prove(arguments.alert)
    if arguments.json:
        print_json("prove-alerts", proofs=[asdict(proof) for proof in proofs])
    else:
        show("\n".join(table(proofs)))
    return FAILED if any(proof.missing for proof in proofs) else 0


def prove(names: Collection[str] = (), backends: Path | None = None) -> list[Proof]:
    """
    Return the proof of every alerting rule.

    Args:
        names: Alerts to look at; none: all.
        backends: Folder with ``prometheus`` and ``alertmanager``; None: the shipped one.

    Raises:
        CommandError: promtool, amtool or PyYAML is missing, or a name is of no alert.
    """
    root = backends or shipped("backends")
    every = list(alert_rules(root / "prometheus" / "rules"))
    if unknown := set(names) - {rule["alert"] for rule in every}:
        raise unknown_name("alert", min(unknown), {str(rule["alert"]) for rule in every})
    rules = [rule for rule in every if not names or rule["alert"] in names]
    config = root / "alertmanager" / "alertmanager.yml"
    results = run_tests(root / "prometheus" / "tests", [str(rule["alert"]) for rule in rules])
    inhibitions = _load(config)["inhibit_rules"]
    return [_prove(rule, results, config, list(inhibitors(rule, inhibitions))) for rule in rules]


def _load(path: Path) -> Any:
    try:
        yaml = importlib.import_module("yaml")
    except ImportError as error:
        raise CommandError("prove-alerts reads YAML: pip install pyyaml", status=MISSING) from error
    return yaml.safe_load(path.read_text("utf-8"))


def alert_rules(folder: Path) -> Iterator[dict[str, Any]]:
    """Return every alerting rule of the files in *folder*."""
    for path in sorted(folder.glob("*.yml")):
        for group in _load(path)["groups"]:
            yield from (rule for rule in group["rules"] if "alert" in rule)


def rule_name(rule: Mapping[str, Any]) -> str:
    """Return the alert's name with the labels that tell it from others of that name, as tests spell it."""
    labels = ",".join(f"{key}={rule['labels'][key]}" for key in ("slo", "long", "short") if key in rule["labels"])
    return f"{rule['alert']}{{{labels}}}" if labels else str(rule["alert"])


def run_tests(folder: Path, alerts: Iterable[str]) -> dict[tuple[str, str], list[bool]]:
    """Run the tests of *alerts*; return whether each passed, by rule and kind."""
    promtool = need_binary("promtool")
    only = f"^({'|'.join(sorted(set(alerts)))})\\b"
    results: dict[tuple[str, str], list[bool]] = {}
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor() as pool:

        def run(path: Path) -> Path:
            report = Path(scratch) / f"{path.stem}.xml"
            command = [str(promtool), "test", "rules", "--run", only, f"--junit={report}", str(path)]
            subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - our own program
            return report

        for report in pool.map(run, sorted(folder.glob("*.yml"))):
            for rule, kind, passed in _read(report):
                results.setdefault((rule, kind), []).append(passed)
    return results


def _read(report: Path) -> Iterator[tuple[str, str, bool]]:
    if not report.exists():
        raise CommandError(f"promtool could not run {report.stem}.yml. Run `promtool test rules` on it to see why.")
    for case in ET.parse(report).getroot().iter("testcase"):  # noqa: S314 - promtool wrote it just now
        rule, _, rest = str(case.get("name")).partition(" | ")
        yield rule, rest.partition(" | ")[0], case.find("failure") is None and case.find("error") is None


def inhibitors(rule: Mapping[str, Any], inhibitions: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Return the sources that keep *rule* silent, as Alertmanager's configuration writes them."""
    labels = {"alertname": rule["alert"], **rule["labels"]}
    for inhibition in inhibitions:
        if all(matches(matcher, labels) for matcher in inhibition["target_matchers"]):
            yield " ".join(inhibition["source_matchers"])


def matches(matcher: str, labels: Mapping[str, str]) -> bool:
    """Return whether Alertmanager's *matcher* holds for *labels*."""
    name, operator, value = re.fullmatch(r'(\w+)(=~|!=|=)"(.*)"', matcher).groups()  # type: ignore[union-attr]
    actual = labels.get(name, "")
    if operator == "=~":
        return re.fullmatch(value, actual) is not None
    return (actual == value) is (operator == "=")


def receiver(rule: Mapping[str, Any], config: Path) -> str:
    """Return the receiver that amtool finds."""
    labels = [f"{key}={value}" for key, value in {"alertname": rule["alert"], **rule["labels"]}.items()]
    command = [str(need_binary("amtool")), "config", "routes", "test", f"--config.file={config}", *labels]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own program
    return done.stdout.strip()


def expected_receiver(rule: Mapping[str, Any]) -> str:
    """Return the receiver that the severity asks for."""
    return "dead-man" if rule["alert"] == WATCHDOG else RECEIVERS[rule["labels"]["severity"]]


def _prove(
    rule: Mapping[str, Any], results: Mapping[tuple[str, str], list[bool]], config: Path, inhibited_by: list[str]
) -> Proof:
    name = rule_name(rule)
    found = {kind: results.get((name, kind), []) for kind in KINDS}
    told = receiver(rule, config)
    missing = [f"{kind} test" for kind, passed in found.items() if not passed]
    missing += [f"{kind} test that passes" for kind, passed in found.items() if not all(passed)]
    if told != expected_receiver(rule):
        missing.append("route")
    if bool(inhibited_by) == (rule["alert"] in NEVER_INHIBITED):
        missing.append("inhibition")
    missing += [word for word in WORDS if not rule["annotations"].get(word)]
    return Proof(
        rule=name,
        tests={kind: sum(passed) for kind, passed in found.items()},
        failed=tuple(kind for kind, passed in found.items() if not all(passed)),
        receiver=told,
        inhibited_by=tuple(inhibited_by),
        missing=tuple(missing),
    )


def table(proofs: Iterable[Proof]) -> Iterator[str]:
    """Return the proofs as lines for people."""
    kinds = " ".join(f"{kind:>11}" for kind in KINDS)
    alert, route, inhibited, lacks = map(translated, ("alert", "route", "inhibited by", "lacks"))
    yield f"{alert:<62} {kinds}  {route:<9} {inhibited:<12} {lacks}"
    for proof in proofs:
        counts = " ".join(f"{proof.tests[kind]:>11}" for kind in KINDS)
        inhibited = translated(f"{len(proof.inhibited_by)} rules" if proof.inhibited_by else "never")
        lacks = ", ".join(map(translated, proof.missing)) or "-"
        yield f"{proof.rule:<62} {counts}  {proof.receiver:<9} {inhibited:<12} {lacks}"
