"""
What telemetry costs where there is much of it: several workers, many statements, many log lines, long WebSockets.

    python benchmarks/scale_up.py             print the tables
    python benchmarks/scale_up.py --write     write them to benchmarks/results/scale_up.md too

In the environments of overhead.py, bare and contrib beside ours, in turns. CPU is of the whole process, exports
included, without a server; requests a second and p99 are wrk's, with uvicorn's workers behind it.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Final

from overhead import HERE, environment, load, prepare, rate, receive, say, serving, sinks, write_script
from scale_up_app import EACH, REQUESTS, ROUNDS
from tables import circumstances, show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from overhead import Measured

RESULT: Final = HERE / "results" / "scale_up.md"
TURNS: Final = 3
WORKERS: Final = (1, 2, 4)
CONNECTIONS: Final = 16
DURATION_S: Final = 5
WORK: Final = {
    "statements": f"{EACH['statements']} statements a request",
    "lines": f"{EACH['lines']} log lines a request",
    "websocket": f"{EACH['websocket']:,} messages on one WebSocket, each answered",
}
_REPORT: Final = """\
# What telemetry costs where there is much of it

{date}, {machine}, load {load} at the end; medians of {turns} turns. Written by `python benchmarks/scale_up.py --write`.

| work | bare, CPU µs | added by ours | added by contrib | of contrib's | spans, logs each: ours | contrib |
|---|---|---|---|---|---|---|
{work_rows}

CPU of a whole process, exports included, without a server; each figure is of one statement, line or message.

| uvicorn workers | requests/s: bare | ours | contrib | p99 ms: bare | ours | contrib |
|---|---|---|---|---|---|---|
{worker_rows}

One POST with two statements, two log lines and a count. wrk has {connections} connections, and shares the processors
with the workers. With two workers and more each answer waits some 40 ms, bare as well: it looks like small packets that
wait for an acknowledgement on the socket that uvicorn's workers share, and was not looked into. These lines say that
telemetry adds little to such a wait, and no more.

Versions: {versions}.
Machines and versions that were not measured: [what was not run](../../docs/evidence/unproven.md).
"""


def main() -> None:
    """Measure and print."""
    show(__doc__, RESULT, measure)


def measure() -> str:
    """Return both tables."""
    with tempfile.TemporaryDirectory() as folder:
        everyone = [prepare(name, Path(folder)) for name in ("bare", "ours", "contrib")]
        with sinks(everyone):
            work_rows = [measure_work(what, everyone) for what in WORK]
            worker_rows = [measure_workers(count, everyone, Path(folder)) for count in WORKERS]
    return _REPORT.format(
        **circumstances(),
        turns=TURNS,
        connections=CONNECTIONS,
        work_rows="\n".join(work_rows),
        worker_rows="\n".join(worker_rows),
        versions="; ".join(each.versions for each in everyone if each.versions),
    )


def measure_work(what: str, everyone: Sequence[Measured]) -> str:
    """Return the line of one kind of work."""
    spent_us: dict[str, list[float]] = {each.name: [] for each in everyone}
    for turn in range(TURNS):
        say(f"{what}, turn {turn + 1} of {TURNS} ...")
        for each in everyone:
            receive(each)
            spent_us[each.name].append(run_work(what, each))
    bare_us, ours_us, contrib_us = (statistics.median(times) for times in spent_us.values())
    units = (ROUNDS + 1) * REQUESTS[what] * EACH[what]
    cells = [WORK[what]]
    cells += [f"{bare_us:.1f}", f"{ours_us - bare_us:.1f}", f"{contrib_us - bare_us:.1f}"]
    cells.append(f"{(ours_us - bare_us) / (contrib_us - bare_us):.0%}")
    for each in everyone[1:]:
        counts = receive(each)
        cells.append(" · ".join(f"{counts.get(signal, 0) / units:.3g}" for signal in ("spans", "logs")))
    return "| " + " | ".join(cells) + " |"


def run_work(what: str, each: Measured) -> float:
    """Return the CPU of one unit, in microseconds."""
    command = [str(each.python), str(HERE / "scale_up_app.py"), each.name, what]
    done = subprocess.run(command, env=environment(each), capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{each.name} does not serve {what}: {done.stderr.strip()[-600:]}")
    return float(done.stderr.strip().splitlines()[-1])


def measure_workers(count: int, everyone: Sequence[Measured], folder: Path) -> str:
    """Return the line of so many workers."""
    script = write_script(folder)
    found: dict[str, list[dict[str, int]]] = {each.name: [] for each in everyone}
    for turn in range(TURNS):
        say(f"{count} workers, turn {turn + 1} of {TURNS} ...")
        for each in everyone:
            with serving(each, workers=count):
                found[each.name].append(load(each, script, DURATION_S, connections=CONNECTIONS))
    cells = [f"{statistics.median(map(rate, runs)):.0f}" for runs in found.values()]
    cells += [f"{statistics.median(map(itemgetter('p99'), runs)) / 1000:.1f}" for runs in found.values()]
    return "| " + " | ".join([str(count), *cells]) + " |"


if __name__ == "__main__":
    main()
