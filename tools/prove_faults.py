"""
Run the fault catalogue with this package, the plain SDK and Logfire, and write docs/evidence/faults.md.

    python tools/prove_faults.py            all rows
    python tools/prove_faults.py 13 14      these, without writing

The peers live in an environment of their own below the user's cache folder; it is made once and is no dependency.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import venv
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests" / "support"))

from fault_runner import SUBJECTS, Scenario, run  # noqa: E402
from fault_scenarios import SCENARIOS  # noqa: E402

PEERS = (
    "logfire==5.4.0",
    "opentelemetry-exporter-otlp==1.45.1",
    "opentelemetry-instrumentation-fastapi==0.66b1",
    "opentelemetry-instrumentation-logging==0.66b1",
    "opentelemetry-instrumentation-sqlalchemy==0.66b1",
    *("fastapi==0.165.0", "gunicorn", "httpx", "sqlalchemy==2.0.58", "uvicorn==0.54.0", "uvicorn-worker"),
)
HEAD = """# The fault catalogue

Each row is one scenario in a real process: a script, a receiver that misbehaves, real signals and forks. The same
script runs with this package, with the plain OpenTelemetry SDK and its contrib packages, and with Logfire (the
package; its servers [were not tried](unproven.md)). A row holds
(✓) or not (✗) against what is expected of this package; a peer that promises less is not blamed by it.

Written by `tools/prove_faults.py` on {date}, Python {python}, OpenTelemetry {ours}; the peers with {peers}.
`tests/project/test_fault_catalogue.py` runs our column. Times were measured on a busy machine of two cores.

| Row | What happens | Expected | whatsself_otel | OpenTelemetry | Logfire |
|---|---|---|---|---|---|
"""


def peer_python() -> Path:
    """Return the interpreter of the peers' environment, made at the first call."""
    cache = Path(os.environ.get("WHATSSELF_OTEL_CACHE") or Path.home() / ".cache" / "whatsself-otel")
    key = hashlib.sha256(" ".join(PEERS).encode()).hexdigest()[:12]
    directory = cache / f"faults-{key}"
    python = directory / "bin" / "python"
    if not (directory / "complete").exists():
        venv.create(directory, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *PEERS], check=True)  # noqa: S603 - our own words
        (directory / "complete").touch()
    return python


def peer_versions(python: Path) -> str:
    """Return the versions that the peers have."""
    code = (
        "from importlib.metadata import version as v\n"
        "print('OpenTelemetry', v('opentelemetry-sdk') + ', Logfire', v('logfire'))"
    )
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603 - our own words
    return done.stdout.strip()


def row(scenario: Scenario, peers: Path) -> str:
    """Run *scenario* with every subject and return its line of the table."""
    cells = []
    for subject in SUBJECTS:
        held, seen, _ = run(scenario, subject, sys.executable if subject == "ours" else str(peers))
        cells.append(f"{'✓' if held else '✗'} {seen}".replace("|", "\\|").replace("\n", " "))
    line = f"| {scenario.row} | {scenario.title} | {scenario.expected} | {' | '.join(cells)} |"
    print(line, flush=True)
    return line


def main() -> None:
    """Run the rows that are named, or all."""
    wanted = {int(number) for number in sys.argv[1:]}
    peers = peer_python()
    lines = [row(scenario, peers) for scenario in SCENARIOS if not wanted or scenario.row in wanted]
    if not wanted:
        head = HEAD.format(
            date=datetime.now(UTC).date().isoformat(),
            python=sys.version.split()[0],
            ours=version("opentelemetry-sdk"),
            peers=peer_versions(peers),
        )
        (ROOT / "docs" / "evidence" / "faults.md").write_text(head + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
