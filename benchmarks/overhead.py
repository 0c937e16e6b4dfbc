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
from pathlib import Path
from typing import TYPE_CHECKING, Final

from overhead_subjects import SUBJECTS, Subject
from tables import circumstances

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parent
RESULT: Final = HERE / "results" / "overhead.md"
_BODY: Final = json.dumps({"contact_id": "c-1", "kind": "text"})
_WRK_SCRIPT: Final = f"""
wrk.method = "POST"
wrk.path = "/messages/m-1"
wrk.body = '{_BODY}'
wrk.headers["content-type"] = "application/json"
done = function(summary, latency)
  io.stderr:write(string.format('{{"p50":%d,"p95":%d,"p99":%d,"requests":%d,"us":%d,"bad":%d}}\\n',
    latency:percentile(50), latency:percentile(95), latency:percentile(99), summary.requests, summary.duration,
    summary.errors.status + summary.errors.timeout + summary.errors.read + summary.errors.connect))
end
"""
_REPORT: Final = """\
# What telemetry adds to a request

{date}, {machine}, load {load} at the end; median of {rounds} rounds of {requests} requests, in turns.
Written by `python benchmarks/overhead.py --write`.

| subject | CPU µs a request | added | spread of added | of contrib's | spans, logs, metrics each | bytes | RSS MB |
|---|---|---|---|---|---|---|---|
{cpu_rows}

Added is against bare in the same round. A metric is counted once an export, not once a request. Elastic's agent
sends no logs: its ECS lines on standard output are counted. Logfire sends logs as spans. Instrumentator has metrics
only, and they are scraped: the number is of families.

| subject | import ms | set-up ms | p50 ms | p95 ms | p99 ms | requests/s | versions |
|---|---|---|---|---|---|---|---|
{latency_rows}

Import and set-up are beyond bare, median of 5 new processes. Latency and requests/s: wrk, 4 connections.
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
    starts: list[dict[str, float]] = field(default_factory=list)
    received: dict[str, float] = field(default_factory=dict)
    rss_bytes: int = 0

    def __post_init__(self) -> None:
        self.label = self.label or self.name

    @property
    def subject(self) -> Subject:
        """How it is set up."""
        return SUBJECTS[self.name]


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=sorted(SUBJECTS), default=list(SUBJECTS), metavar="SUBJECT")
    parser.add_argument("--rounds", type=int, default=9, help="turns of each (default %(default)s)")
    parser.add_argument("--requests", type=int, default=500, help="requests a turn (default %(default)s)")
    parser.add_argument("--wrk-s", type=int, default=4, help="seconds of wrk a turn, 3 turns (default %(default)s)")
    parser.add_argument("--write", action="store_true", help=f"write {RESULT.relative_to(ROOT)} too")
    arguments = parser.parse_args()
    names = sorted({"bare", *arguments.only}, key=list(SUBJECTS).index)
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        everyone = [prepare(name, directory) for name in names]
        stack.enter_context(sinks(everyone))
        measure_starts(everyone)
        for each in everyone:
            stack.enter_context(serving(each))
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
    """Return *name*, installed in a virtual environment, which is reused while its packages stay the same."""
    requirements = requirements_of(name, ROOT)
    digest = hashlib.sha256("\n".join(requirements).encode()).hexdigest()[:12]
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
def serving(each: Measured) -> Iterator[None]:
    """Serve the application with *each* for the block."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        each.port = free.getsockname()[1]
    command = [str(each.python), str(HERE / "overhead_app.py"), each.name, "--port", str(each.port)]
    with each.log.open("wb") as log, subprocess.Popen(command, env=environment(each), stdout=log, stderr=log) as server:
        try:
            wait(each, server)
            send(each, 100)
            ask(each, "/_flush")
            yield
        finally:
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
    """Load everyone in turn with wrk on 4 connections."""
    script = directory / "post.lua"
    script.write_text(_WRK_SCRIPT, encoding="ascii")
    for number in range(rounds):
        say(f"wrk, round {number + 1} of {rounds} ...")
        for each in random.sample(everyone, len(everyone)):
            command = ["wrk", "-t1", "-c4", f"-d{duration_s}s", "-s", str(script), f"http://127.0.0.1:{each.port}"]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            each.wrk.append(json.loads(done.stderr.strip().splitlines()[-1]))
            ask(each, "/_flush")


def find_problems(everyone: Sequence[Measured]) -> Iterator[str]:
    """Yield each problem that makes the run worthless: a missing peer, or one that sent less than it claims."""
    names = {each.name for each in everyone}
    yield from (f"{name} was not measured" for name, subject in SUBJECTS.items() if subject.peer and name not in names)
    for each in everyone:
        for signal in each.subject.signals:
            if not each.received.get(signal):
                yield f"{each.name} claims {signal}, and none arrived"
        if bad := sum(run["bad"] for run in each.wrk):
            yield f"{each.name} failed {bad} requests under wrk"


def report(everyone: Sequence[Measured], rounds: int, requests: int) -> str:
    """Return the tables."""
    by_name = {each.name: each for each in everyone}
    return _REPORT.format(
        **circumstances(),
        rounds=rounds,
        requests=requests,
        cpu_rows="\n".join(cpu_row(each, by_name) for each in everyone),
        latency_rows="\n".join(latency_row(each) for each in everyone),
    )


def cpu_row(each: Measured, by_name: dict[str, Measured]) -> str:
    """Return the first table's line of *each*."""
    added = [mine - bare for mine, bare in zip(each.cpu_us, by_name["bare"].cpu_us, strict=True)]
    contrib = by_name.get("contrib")
    share = "-"
    if contrib and each.name != "bare":
        theirs = [mine - bare for mine, bare in zip(contrib.cpu_us, by_name["bare"].cpu_us, strict=True)]
        share = f"{statistics.median(added) / statistics.median(theirs):.0%}"
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


def latency_row(each: Measured) -> str:
    """Return the second table's line of *each*."""
    starts = [
        f"{statistics.median(start[part] for start in each.starts) * 1000:.0f}" for part in ("import_s", "setup_s")
    ]
    loads = ["-"] * 4
    if each.wrk:
        loads = [f"{statistics.median(run[part] for run in each.wrk) / 1000:.2f}" for part in ("p50", "p95", "p99")]
        loads.append(f"{statistics.median(run['requests'] / run['us'] * 1e6 for run in each.wrk):.0f}")
    return "| " + " | ".join([each.name, *starts, *loads, each.versions or "-"]) + " |"


if __name__ == "__main__":
    raise SystemExit(main())
