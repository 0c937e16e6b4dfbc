"""
What telemetry adds to a request: this package beside every peer, doing the same work in one run.

    python benchmarks/overhead.py                     all of them; exits with 1 if one is missing or silent
    python benchmarks/overhead.py --only ours contrib elastic
    python benchmarks/overhead.py --write             write the table to benchmarks/results/overhead.md

Each package has an environment of its own in the user's cache, with the same server and the same application
(overhead_app.py). All run at once and take turns, so that what else the machine does hits everyone alike. CPU is the
server process's own, all threads, exports included, per request; latency comes from wrk where it is installed. Local
receivers count what each really sent: a package that records less than it claims fails the run.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import http.client
import json
import os
import random
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from overhead_subjects import SUBJECTS, Subject
from tables import circumstances

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parent
RESULT: Final = HERE / "results" / "overhead.md"
_BODY: Final = json.dumps({"contact_id": "c-1", "kind": "text"})
_WRK_SCRIPT: Final = f"""
wrk.method = "POST"
wrk.path = "/messages/m-1"
wrk.body = '{_BODY}'
wrk.headers["content-type"] = "application/json"
local pause = tonumber(os.getenv("WRK_PAUSE_MS"))
if pause then delay = function() return pause end end
done = function(summary, latency)
  io.stderr:write(string.format('{{"p50":%d,"p95":%d,"p99":%d,"requests":%d,"us":%d,"bad":%d}}\\n',
    latency:percentile(50), latency:percentile(95), latency:percentile(99), summary.requests, summary.duration,
    summary.errors.status + summary.errors.timeout + summary.errors.read + summary.errors.connect))
end
"""
_REPORT: Final = """\
# What telemetry adds to a request

{date}, {machine}, load {load} at the end; {runs} runs of {rounds} rounds of {requests} requests, in turns; medians.
Written by `python benchmarks/overhead.py --write`.

| subject | CPU µs a request | added | spread of added | of contrib's | spans, logs, metrics each | bytes | RSS MB |
|---|---|---|---|---|---|---|---|
{cpu_rows}

Added is against bare in the same round. "Of contrib's" is the median of the runs, each in
brackets. A metric is counted once an export, not once a request. Elastic's agent
sends no logs: its ECS lines on standard output are counted. Logfire sends logs as spans. Instrumentator has metrics
only, and they are scraped: the number is of families.

| subject | import ms | set-up ms | p50 ms | p95 ms | p99 ms | requests/s | p50, half load | p99 | of bare's |
|---|---|---|---|---|---|---|---|---|---|
{latency_rows}

Import and set-up are beyond bare, median of 5 new processes. Latency and requests/s: wrk, 4 connections, median of all
turns. At half load each connection pauses so long that everyone gets about half the requests/s that contrib can take
({half_load} a second).

Versions: {versions}.
Machines and versions that were not measured: [what was not run](../../docs/evidence/unproven.md).
"""


@dataclass(kw_only=True)
class Measured:
    """The measurements of one subject."""

    name: str
    python: Path
    label: str = ""
    """Label of a subject that is measured more than once; default: its name."""
    versions: str = ""
    port: int = 0
    sink: int = 0
    log: Path = Path()
    read_bytes: int = 0
    cpu_us: list[float] = field(default_factory=list)
    wrk: list[dict[str, int]] = field(default_factory=list)
    half: list[dict[str, int]] = field(default_factory=list)
    """The same at half load."""
    starts: list[dict[str, float]] = field(default_factory=list)
    received: dict[str, float] = field(default_factory=dict)
    rss_bytes: int = 0

    def __post_init__(self) -> None:
        self.label = self.label or self.name

    def middle(self, runs: Literal["wrk", "half"], what: Callable[[dict[str, int]], float]) -> float:
        """Return the median of *what* over its runs."""
        return statistics.median(map(what, getattr(self, runs)))

    @property
    def subject(self) -> Subject:
        """How it is set up."""
        return SUBJECTS[self.name]


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=sorted(SUBJECTS), default=list(SUBJECTS), metavar="SUBJECT")
    parser.add_argument("--rounds", type=int, default=9, help="turns of each in a run (default %(default)s)")
    parser.add_argument("--runs", type=int, default=3, help="times that all servers start (default %(default)s)")
    parser.add_argument("--requests", type=int, default=500, help="requests a turn (default %(default)s)")
    parser.add_argument("--wrk-s", type=int, default=4, help="seconds of wrk a turn (default %(default)s)")
    parser.add_argument("--write", action="store_true", help=f"write {RESULT.relative_to(ROOT)} too")
    arguments = parser.parse_args()
    names = sorted({"bare", *arguments.only}, key=list(SUBJECTS).index)
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        everyone = [prepare(name, directory) for name in names]
        stack.enter_context(sinks(everyone))
        measure_starts(everyone)
        for number in range(arguments.runs):
            say(f"run {number + 1} of {arguments.runs}")
            with contextlib.ExitStack() as servers:
                for each in everyone:
                    servers.enter_context(serving(each))
                measure_cpu(everyone, arguments.rounds, arguments.requests)
                if shutil.which("wrk"):
                    measure_latency(everyone, directory, arguments.wrk_s)
                else:
                    say("SKIPPED: latencies and requests a second, because wrk is not installed")
    text = report(everyone, arguments.rounds, arguments.requests)
    print(text)
    if arguments.write:
        RESULT.parent.mkdir(exist_ok=True)
        RESULT.write_text(text, encoding="utf-8")
    problems = list(find_problems(everyone))
    for problem in problems:
        say(f"FAILED: {problem}")
    return 1 if problems else 0


def say(text: str) -> None:
    """Print progress to stderr, apart from the result."""
    print(text, file=sys.stderr, flush=True)


def prepare(name: str, directory: Path) -> Measured:
    """Return *name*, installed in an environment of its own, reused while Python and its packages stay the same."""
    requirements = requirements_of(name, ROOT)
    digest = hashlib.sha256("\n".join([sys.version, *requirements]).encode()).hexdigest()[:12]
    cache = Path(os.environ.get("WHATSSELF_OTEL_CACHE") or Path.home() / ".cache" / "whatsself-otel")
    home = cache / "overhead" / digest
    python = home / ("Scripts" if os.name == "nt" else "bin") / "python"
    if not (home / "installed").exists():
        say(f"installing {name} ...")
        venv.create(home, with_pip=True, clear=True)
        pip(python, *requirements)
        (home / "installed").touch()
    return Measured(name=name, python=python, versions=versions(python, SUBJECTS[name]), log=directory / f"{name}.log")


def requirements_of(name: str, root: Path) -> list[str]:
    """Return pip's arguments for *name*, with this package from *root*."""
    wanted = SUBJECTS[name].all_requirements
    return [f"--editable={each.format(root=root)}" if "{" in each else each for each in wanted]


def pip(python: Path, *arguments: str) -> None:
    """Install into the environment of *python*."""
    command = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{arguments[-1]} could not be installed: {done.stderr.strip()[-400:]}")


def versions(python: Path, subject: Subject) -> str:
    """Return the versions of the packages of *subject* as they are installed."""
    if not subject.packages:
        return ""
    code = f"from importlib.metadata import version; print(*(f'{{p}} {{version(p)}}' for p in {subject.packages}))"
    return subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True).stdout.strip()


@contextlib.contextmanager
def sinks(everyone: Sequence[Measured], python: Path | None = None) -> Iterator[None]:
    """Run one receiver for each of *everyone*, with *python* or that of this package's own environment."""
    ours = python or prepare("ours", Path()).python
    command = [str(ours), str(HERE / "overhead_sink.py"), *(each.label for each in everyone)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout  # noqa: S101 - it was asked for
        ports = json.loads(process.stdout.readline())
        for each in everyone:
            each.sink = ports[each.label]
        try:
            yield
        finally:
            process.terminate()


def environment(each: Measured) -> dict[str, str]:
    """Return the environment *each* runs in: nothing of this one's but where programs are."""
    sink = f"http://127.0.0.1:{each.sink}"
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "SYSTEMROOT") if name in os.environ}
    return {**kept, "OVERHEAD_SINK": sink, **{name: value.format(sink=sink) for name, value in each.subject.environ}}


def measure_starts(everyone: Sequence[Measured], runs: int = 5) -> None:
    """Start everyone *runs* times in turn, each time in a new process."""
    for _ in range(runs):
        for each in everyone:
            command = [str(each.python), str(HERE / "overhead_app.py"), each.name, "--start-only"]
            done = subprocess.run(command, env=environment(each), capture_output=True, text=True, check=False)
            if done.returncode:
                sys.exit(f"{each.name} does not start: {done.stderr.strip()[-800:]}")
            each.starts.append(json.loads(done.stdout.strip().splitlines()[-1]))


@contextlib.contextmanager
def serving(each: Measured, workers: int = 1) -> Iterator[None]:
    """Serve the application with *each* for the block."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        each.port = free.getsockname()[1]
    command = [str(each.python), str(HERE / "overhead_app.py"), each.name]
    command += ["--port", str(each.port), "--workers", str(workers)]
    with each.log.open("wb") as log, subprocess.Popen(command, env=environment(each), stdout=log, stderr=log) as server:
        try:
            wait(each, server)
            send(each, 100)
            ask(each, "/_flush")
            yield
        finally:
            server.terminate()  # it ends its workers, which a kill would leave
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()


def wait(each: Measured, server: subprocess.Popen[bytes], timeout_s: float = 30) -> None:
    """Wait until *each* answers."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(OSError):
            ask(each, "/_cpu")
            return
        time.sleep(0.1)
    sys.exit(f"{each.name} does not serve: {each.log.read_text(errors='replace')[-800:]}")


def ask(each: Measured, path: str) -> dict[str, int]:
    """Ask the application's own control, or with a whole port the receiver."""
    connection = http.client.HTTPConnection("127.0.0.1", each.port, timeout=60)
    with contextlib.closing(connection):
        connection.request("GET", path)
        answer: dict[str, int] = json.loads(connection.getresponse().read())
        return answer


def receive(each: Measured) -> dict[str, int]:
    """Return the receiver's counts for *each* since the last call."""
    connection = http.client.HTTPConnection("127.0.0.1", each.sink, timeout=60)
    with contextlib.closing(connection):
        connection.request("GET", "/_counts")
        counts: dict[str, int] = json.loads(connection.getresponse().read())
    if each.name == "instrumentator":
        counts["metrics"] = scrape(each)
    if each.name == "elastic":
        written = each.log.read_bytes()
        counts["logs"] = written[each.read_bytes :].count(b"ecs.version")
        each.read_bytes = len(written)
    return counts


def scrape(each: Measured) -> int:
    """Return how many families ``/metrics`` shows that move with requests."""
    connection = http.client.HTTPConnection("127.0.0.1", each.port, timeout=10)
    with contextlib.closing(connection):
        connection.request("GET", "/metrics")
        return len(re.findall(rb"^# TYPE (?:http_|messages_)", connection.getresponse().read(), re.MULTILINE))


def send(each: Measured, count: int) -> None:
    """Post *count* messages, one after the other, on one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", each.port, timeout=60)
    headers = {"content-type": "application/json"}
    with contextlib.closing(connection):
        for number in range(count):
            connection.request("POST", f"/messages/m-{number}", _BODY, headers)
            response = connection.getresponse()
            if response.read() and response.status != 200:
                sys.exit(f"{each.name} answers {response.status}")


def measure_cpu(everyone: Sequence[Measured], rounds: int, requests: int) -> None:
    """Let everyone work in turn, in a new order each round, and take the CPU until all is exported."""
    for each in everyone:
        receive(each)
    for number in range(rounds):
        say(f"CPU, round {number + 1} of {rounds} ...")
        for each in random.sample(everyone, len(everyone)):
            before = ask(each, "/_cpu")["cpu_ns"]
            send(each, requests)
            after = ask(each, "/_flush")["cpu_ns"]
            each.cpu_us.append((after - before) / requests / 1000)
    for each in everyone:
        each.rss_bytes = ask(each, "/_cpu")["rss_bytes"]
        time.sleep(0.2)
        each.received = {name: count / (rounds * requests) for name, count in receive(each).items()}


def measure_latency(everyone: Sequence[Measured], directory: Path, duration_s: int, rounds: int = 3) -> None:
    """Load everyone in turn with wrk on 4 connections, then at half of the load that contrib can take."""
    script = write_script(directory)
    for number in range(rounds):
        say(f"wrk, round {number + 1} of {rounds} ...")
        for each in random.sample(everyone, len(everyone)):
            each.wrk.append(load(each, script, duration_s))
    slowest = next((each for each in everyone if each.name == "contrib"), everyone[-1])
    pause_ms = 2 * 4000 / slowest.middle("wrk", rate)
    for number in range(rounds):
        say(f"wrk at half load, round {number + 1} of {rounds} ...")
        for each in random.sample(everyone, len(everyone)):
            each.half.append(load(each, script, duration_s, pause_ms))


def write_script(directory: Path) -> Path:
    """Write what wrk sends and prints to a file of *directory*."""
    script = directory / "post.lua"
    script.write_text(_WRK_SCRIPT, encoding="ascii")
    return script


def load(each: Measured, script: Path, duration_s: int, pause_ms: float = 0, connections: int = 4) -> dict[str, int]:
    """Load *each* with wrk on *connections*, which pause between requests, and return what wrk measured."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{duration_s}s", "-s", str(script), f"http://127.0.0.1:{each.port}"]
    pause = {"WRK_PAUSE_MS": str(round(pause_ms))} if pause_ms else {}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | pause)
    ask(each, "/_flush")
    found: dict[str, int] = json.loads(done.stderr.strip().splitlines()[-1])
    return found


def rate(run: dict[str, int]) -> float:
    """Return the requests a second of one run of wrk."""
    return run["requests"] / run["us"] * 1e6


def find_problems(everyone: Sequence[Measured]) -> Iterator[str]:
    """Yield each problem that makes the run worthless: a missing peer, or one that sent less than it claims."""
    names = {each.name for each in everyone}
    yield from (f"{name} was not measured" for name, subject in SUBJECTS.items() if subject.peer and name not in names)
    for each in everyone:
        for signal in each.subject.signals:
            if not each.received.get(signal):
                yield f"{each.name} claims {signal}, and none arrived"
        if bad := sum(run["bad"] for run in (*each.wrk, *each.half)):
            yield f"{each.name} failed {bad} requests under wrk"


def report(everyone: Sequence[Measured], rounds: int, requests: int) -> str:
    """Return the tables."""
    by_name = {each.name: each for each in everyone}
    return _REPORT.format(
        **circumstances(),
        runs=len(by_name["bare"].cpu_us) // rounds,
        rounds=rounds,
        requests=requests,
        cpu_rows="\n".join(cpu_row(each, by_name, rounds) for each in everyone),
        latency_rows="\n".join(latency_row(each, by_name["bare"]) for each in everyone),
        half_load=f"{by_name['bare'].middle('half', rate):.0f}" if by_name["bare"].half else "-",
        versions="; ".join(f"{each.name}: {each.versions}" for each in everyone if each.versions),
    )


def cpu_row(each: Measured, by_name: dict[str, Measured], rounds: int) -> str:
    """Return the first table's line of *each*."""
    added = [mine - bare for mine, bare in zip(each.cpu_us, by_name["bare"].cpu_us, strict=True)]
    contrib = by_name.get("contrib")
    share = share_of(each, contrib, by_name["bare"], rounds) if contrib and each.name != "bare" else "-"
    sent = " · ".join(f"{each.received.get(signal, 0):.3g}" for signal in ("spans", "logs", "metrics"))
    wire = each.received.get("bytes", 0)
    cells = [
        each.name,
        f"{statistics.median(each.cpu_us):.0f}",
        f"{statistics.median(added):+.0f}",
        f"{min(added):+.0f} to {max(added):+.0f}",
        share,
        sent,
        f"{wire:.0f}",
        f"{each.rss_bytes / 1e6:.0f}",
    ]
    return "| " + " | ".join(cells) + " |"


def share_of(each: Measured, contrib: Measured, bare: Measured, rounds: int) -> str:
    """Return what *each* adds as a share of what contrib adds: the median of the runs, and each run's."""

    def added(subject: Measured, run: int) -> float:
        turns = slice(run * rounds, (run + 1) * rounds)
        pairs = zip(subject.cpu_us[turns], bare.cpu_us[turns], strict=True)
        return statistics.median(mine - theirs for mine, theirs in pairs)

    shares = [added(each, run) / added(contrib, run) for run in range(len(bare.cpu_us) // rounds)]
    return f"{statistics.median(shares):.0%} ({', '.join(f'{share:.0%}' for share in shares)})"


def latency_row(each: Measured, bare: Measured) -> str:
    """Return the second table's line of *each*."""
    starts = [
        f"{statistics.median(start[part] for start in each.starts) * 1000:.0f}" for part in ("import_s", "setup_s")
    ]
    loads = ["-"] * 7
    if each.wrk:
        loads = [f"{each.middle('wrk', itemgetter(part)) / 1000:.2f}" for part in ("p50", "p95", "p99")]
        loads.append(f"{each.middle('wrk', rate):.0f}")
        loads += [f"{each.middle('half', itemgetter(part)) / 1000:.2f}" for part in ("p50", "p99")]
        loads.append(f"{each.middle('half', itemgetter('p99')) / bare.middle('half', itemgetter('p99')):.2f}")
    return "| " + " | ".join([each.name, *starts, *loads]) + " |"


if __name__ == "__main__":
    raise SystemExit(main())
