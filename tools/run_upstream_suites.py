"""
Run OpenTelemetry's own tests of FastAPI, ASGI, SQLAlchemy and the OTLP encoders against our instrumentation.

    python tools/run_upstream_suites.py CORE CONTRIB          checkouts of opentelemetry-python and -contrib
    python tools/run_upstream_suites.py CORE CONTRIB --only asgi

Each suite runs three times: as it is, with contrib as we configure it, and with our own code. A test that ours does
not pass is a deliberate difference if contrib, configured so, does not pass it either, or if upstream_differences.toml
names it; docs/evidence/upstream.md has the reasons. All others are defects, and so is a listed test that passes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
PAGE: Final = ROOT / "docs" / "evidence" / "upstream.md"
DIFFERENCES: Final = Path(__file__).parent / "upstream_differences.toml"
CONFIGURED: Final = "What contrib does not do either, as we configure it"
SUITES: Final = {
    "encoders": ("core", "exporter/opentelemetry-exporter-otlp-proto-common/tests", ("test_exporter_metrics.py",)),
    "sqlalchemy": ("contrib", "instrumentation/opentelemetry-instrumentation-sqlalchemy/tests", ()),
    "fastapi": ("contrib", "instrumentation/opentelemetry-instrumentation-fastapi/tests", ()),
    "asgi": ("contrib", "instrumentation/opentelemetry-instrumentation-asgi/tests", ()),
}
"""Where each suite lies, and what of it is about something else: metrics of the SDK's own exporters."""
SUBJECTS: Final = ("upstream", "contrib", "ours")
_SETTINGS: Final = ("-o", "addopts=", "-o", "asyncio_mode=strict", "-o", "filterwarnings=")
_PLUGINS: Final = ("-p", "upstream_plugin", "-p", "no:randomly", "-p", "no:cacheprovider", "-p", "no:schemathesis")


def main() -> int:
    """Run the suites and print what became of each test."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("core", type=Path, help="checkout of opentelemetry-python")
    parser.add_argument("contrib", type=Path, help="checkout of opentelemetry-python-contrib")
    parser.add_argument("--only", nargs="+", choices=SUITES, default=list(SUITES), metavar="SUITE")
    arguments = parser.parse_args()
    checkouts = {"core": arguments.core.resolve(), "contrib": arguments.contrib.resolve()}
    listed = tomllib.loads(DIFFERENCES.read_text(encoding="utf-8"))
    headings = {heading for suite in listed.values() for heading in suite} | {CONFIGURED}
    defects = [f"docs/evidence/upstream.md has no heading {each!r}" for each in headings if each not in _headings()]
    for suite in arguments.only:
        upstream, contrib, ours = (run(suite, subject, checkouts) for subject in SUBJECTS)
        defects += report(suite, judge(upstream, contrib, ours, reasons(listed.get(suite, {}))))
    print(f"\n{len(defects)} defects", *defects, sep="\n  ")
    return 1 if defects else 0


def run(suite: str, subject: str, checkouts: dict[str, Path]) -> dict[str, str]:
    """Return what became of each test of *suite* with *subject*."""
    checkout, folder, apart = SUITES[suite]
    helpers = checkouts["core"] / "tests" / "opentelemetry-test-utils" / "src"
    with tempfile.TemporaryDirectory() as directory:
        result = Path(directory) / "result.json"
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("OTEL_")},
            "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "tools", helpers))),
            "UPSTREAM_SUBJECT": subject,
            "UPSTREAM_RESULT": str(result),
        }
        ignored = [f"--ignore={name}" for name in apart]
        command = [sys.executable, "-m", "pytest", "-q", *_PLUGINS, *_SETTINGS, *ignored, "."]
        where = checkouts[checkout] / folder
        done = subprocess.run(  # noqa: S603 - the tests of the checkouts that were given
            command, cwd=where, env=environment, capture_output=True, text=True, timeout=1800, check=False
        )
        if done.returncode not in {0, 1} or not result.exists():
            raise SystemExit(f"{suite} could not be run with {subject}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
        found: dict[str, str] = json.loads(result.read_text(encoding="utf-8"))
    return {test.split("::", 1)[1]: outcome for test, outcome in found.items()}


def reasons(listed: dict[str, list[str]]) -> dict[str, str]:
    """Return the heading of the page for each test that is *listed*."""
    return {test: heading for heading, tests in listed.items() for test in tests}


def judge(
    upstream: dict[str, str], contrib: dict[str, str], ours: dict[str, str], listed: dict[str, str]
) -> dict[str, tuple[str, str]]:
    """Return a verdict for each test, with its place or reason."""
    verdicts: dict[str, tuple[str, str]] = {}
    for test in {**upstream, **ours, **listed}:
        outcome = ours.get(test, "failed: it was not run")
        if not _is_failure(outcome):
            is_stale = test in listed and outcome == "passed"
            verdicts[test] = ("defect", "it is listed as a difference, and passes") if is_stale else (outcome, "")
        elif _is_failure(upstream.get(test, "")):
            verdicts[test] = "not applicable", "it fails without us too, with these versions"
        elif test in listed:
            verdicts[test] = "deliberate difference", listed[test]
        elif _is_failure(contrib.get(test, "")):
            verdicts[test] = "deliberate difference", CONFIGURED
        else:
            verdicts[test] = "defect", outcome.splitlines()[0]
    return verdicts


def report(suite: str, verdicts: dict[str, tuple[str, str]]) -> list[str]:
    """Print the verdicts of *suite*; return its defects."""
    print(f"\n{suite}")
    for test, (verdict, about) in verdicts.items():
        print(f"  {verdict}: {test}" + (f" ({about})" if about else ""))
    counts = Counter(verdict for verdict, _ in verdicts.values())
    print(f"{suite}: " + ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items())))
    return [f"{suite}: {test}: {about}" for test, (verdict, about) in verdicts.items() if verdict == "defect"]


def _is_failure(outcome: str) -> bool:
    return outcome.startswith("failed")


def _headings() -> set[str]:
    return {line.lstrip("# ").strip() for line in PAGE.read_text(encoding="utf-8").splitlines() if line[:1] == "#"}


if __name__ == "__main__":
    sys.exit(main())
