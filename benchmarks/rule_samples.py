"""
Counts the samples that the rules read a minute, for 1, 10 and 100 workers, beside those of another commit.

    python benchmarks/rule_samples.py                  # against 6ad7380
    python benchmarks/rule_samples.py --verify         # the counting itself, against a real Prometheus' own statistics

A range of a raw series holds a sample every 15 s, of a recorded one a sample an evaluation, of a subquery one a step.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from whatsself_otel.stack.native import need_binary

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT: Final = Path(__file__).resolve().parent.parent
RULES: Final = "backends/prometheus/rules"
SCRAPE_S: Final = 15
PAIRS: Final = 100
"""Pairs of a route and a status code, a fifth of them 5xx."""
UNITS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400}
SERIES: Final[Mapping[str, int]] = {
    "http_server_request_duration_seconds_count": PAIRS,
    "http_server_request_duration_seconds_bucket": PAIRS,
    "messages_outbound_total": 4,
    "messages_outbound_failed_total": 26,
    "messages_inbound_total": 11,
    "messages_delivered_total": 3,
    "whatsapp_session_disconnects_total": 6,
    "whatsapp_session_state": 9,
    "contact_consent_total": 3,
    "telemetry_dropped_items_total": 33,
    "telemetry_errors_total": 11,
}
"""Series of one worker; any other metric has one."""
SHARE: Final[Mapping[str, float]] = {
    'http_response_status_code=~"5.."': 0.2,
    'fault="provider"': 4 / 26,
    'fault="recipient"': 8 / 26,
    'fault!~"provider|recipient"': 14 / 26,
    'action="opt_out"': 1 / 3,
    'reason="banned"': 1 / 6,
    'reason=~"logged_out|replaced"': 2 / 6,
    'state=~"logged_out|qr_pending|expired"': 3 / 9,
    'state=~"banned|restricted"': 2 / 9,
    'origin="reply"': 1 / 4,
    'origin=~"reply|manual"': 2 / 4,
}
"""The share of the series that each matcher keeps."""
_SELECTOR: Final = re.compile(r"(?<![\w:])([a-zA-Z_:][\w:]*)(\{[^}]*\})?(\[[^\]]+\])?")
_WORDS: Final = frozenset(
    ["and", "or", "unless", "by", "on", "ignoring", "group_left", "bool", "offset", "time", "vector", "inf"]
)


def seconds(duration: str) -> float:
    """Return a duration such as ``1h30m`` in seconds."""
    return sum(float(n) * UNITS[unit] for n, unit in re.findall(r"(\d+)(ms|[smhd])", duration))


def groups(texts: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the groups of rule files."""
    return [group for text in texts.values() for group in yaml.safe_load(text)["groups"]]


def recorded(found: list[dict[str, Any]]) -> dict[str, float]:
    """Return the seconds between two samples of each recorded metric."""
    return {
        rule["record"]: seconds(group.get("interval", "15s"))
        for group in found
        for rule in group["rules"]
        if "record" in rule
    }


def samples(expr: str, steps: Mapping[str, float], workers: int, span_s: float) -> float:
    """Return the samples that *expr* reads once, of data that is *span_s* old."""
    # Names in lists of labels, strings and matchers are none of metrics.
    plain = re.sub(r"\b(by|on|ignoring|group_left)\s*\([^)]*\)", lambda match: " " * len(match[0]), expr)
    around = [
        (_opening(plain, match.start()), match.start(), match[1], match[2]) for match in _SUBQUERY.finditer(plain)
    ]
    total = 0.0
    for match in _SELECTOR.finditer(plain):
        name, matchers, window = match[1], match[2] or "", match[3] or ""
        if name in _WORDS or plain[match.end() :].lstrip().startswith("(") or name in {"job", "yes"}:
            continue
        if re.fullmatch(r"[smhd]", name) or _in_string(plain, match.start()):
            continue
        read = _series(name, matchers, steps, workers) * _points(window, steps.get(name, SCRAPE_S), span_s)
        for begin, end, long, step in around:
            if begin < match.start() < end:
                read *= min(seconds(long), span_s) / seconds(step)
        total += read
    return total


_SUBQUERY: Final = re.compile(r"(?<=\))\[(\w+):(\w+)\]")


def _opening(text: str, end: int) -> int:
    depth = 0
    for at in range(end - 1, -1, -1):
        depth += {")": 1, "(": -1}.get(text[at], 0)
        if depth == 0:
            return at
    return 0


def _in_string(text: str, at: int) -> bool:
    return text[:at].count('"') % 2 == 1


def _series(name: str, matchers: str, steps: Mapping[str, float], workers: int) -> float:
    if (
        name in steps
        or name in {"up", "ALERTS"}
        or name.startswith(("otelcol_", "prometheus_", "alertmanager_", "node_"))
    ):
        return 1
    share = next((part for matcher, part in SHARE.items() if matcher in matchers), 1.0)
    return workers * SERIES.get(name, 1) * share


def _points(window: str, step_s: float, span_s: float) -> float:
    if not window:
        return 1
    long, _, step = window.strip("[]").partition(":")
    return min(seconds(long), span_s) / (seconds(step) if step else step_s)


def a_minute(found: list[dict[str, Any]], workers: int) -> float:
    """Return the samples that all rules read in a minute."""
    steps = recorded(found)
    return sum(
        samples(str(rule["expr"]), steps, workers, 30 * 86_400) * 60 / seconds(group.get("interval", "15s"))
        for group in found
        for rule in group["rules"]
    )


def at_commit(commit: str) -> dict[str, str]:
    """Return the rule files of *commit*."""

    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    names = git("ls-tree", "--name-only", commit, f"{RULES}/").split()
    return {name: git("show", f"{commit}:{name}") for name in names}


def here() -> dict[str, str]:
    """Return the rule files of this tree."""
    return {path.name: path.read_text("utf-8") for path in sorted((ROOT / RULES).glob("*.yml"))}


def verify(found: list[dict[str, Any]], span_s: int = 7200, workers: int = 2) -> float:
    """Return the relative difference between the counted samples and a real Prometheus's figure, over all rules."""
    end_s = int(time.time()) // 300 * 300
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder) / "data.txt"
        text.write_text("".join(_exposition(found, end_s=end_s, span_s=span_s, workers=workers)), "utf-8")
        create = ["tsdb", "create-blocks-from", "openmetrics", str(text), f"{folder}/data"]
        subprocess.run([str(need_binary("promtool")), *create], check=True, capture_output=True)
        pairs = list(_differences(found, folder, end_s=end_s, span_s=span_s, workers=workers))
    return sum(told for told, _ in pairs) / sum(read for _, read in pairs) - 1


def _exposition(found: list[dict[str, Any]], *, end_s: int, span_s: int, workers: int) -> Iterator[str]:
    steps = recorded(found)
    names = {name for group in found for rule in group["rules"] for name in _raw(str(rule["expr"]), steps)}
    for name in sorted({*names, *steps}):
        step_s = int(steps.get(name, SCRAPE_S))
        count = 1 if name in steps else workers * SERIES.get(name, 1)
        yield f"# TYPE {name} unknown\n"
        for number in range(count):
            labels = f'job="whatsself",number="{number}"'
            for at in range(end_s - span_s + step_s, end_s + 1, step_s):
                yield f"{name}{{{labels}}} 1 {at}\n"
    yield "# EOF\n"


def _raw(expr: str, steps: Mapping[str, float]) -> set[str]:
    return {name for name in re.findall(r"[a-z_]+(?=\{job=~)", expr) if name not in steps}


def _differences(
    found: list[dict[str, Any]], folder: str, *, end_s: int, span_s: int, workers: int
) -> Iterator[tuple[float, int]]:
    steps = recorded(found)
    port = 19_390
    command = [str(need_binary("prometheus")), "--config.file=/dev/null", f"--storage.tsdb.path={folder}/data"]
    command += [f"--web.listen-address=127.0.0.1:{port}", "--storage.tsdb.retention.time=90d"]
    program = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        _wait_until_ready(port)
        for group in found:
            for rule in group["rules"]:
                # Only the bare job stands in the data: a matcher of more would find nothing, which says nothing.
                expr = re.sub(r'\{job=~"[^"]*"[^}]*\}', '{job="whatsself"}', str(rule["expr"]))
                if re.search(r"\bup\{|otelcol_|prometheus_|alertmanager_|node_|ALERTS|\boffset\b", expr):
                    continue
                told, read = samples(expr, steps, workers, span_s), _read(port, expr, end_s)
                yield told, read
    finally:
        program.terminate()
        program.wait()


def _wait_until_ready(port: int) -> None:
    deadline_s = time.monotonic() + 60
    while time.monotonic() < deadline_s:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=2)
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise SystemExit("Prometheus did not start in a minute.")


def _read(port: int, expr: str, at: int) -> int:
    query = urllib.parse.urlencode({"query": expr, "time": at, "stats": "all"})
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/query?{query}", timeout=60) as answer:
        return int(json.loads(answer.read())["data"]["stats"]["samples"]["totalQueryableSamples"])


def main() -> int:
    """Print the table, or the result of the verification."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--commit", default="6ad7380", help="what to compare with (default: 6ad7380)")
    parser.add_argument("--verify", action="store_true", help="compare the counting with a real Prometheus")
    options = parser.parse_args()
    if options.verify:
        print(f"{verify(groups(here())):+.1%} beside what Prometheus says it has read")
        return 0
    before, after = groups(at_commit(options.commit)), groups(here())
    print(f"{'workers':>8} {options.commit + ', a minute':>24} {'now, a minute':>18} {'times fewer':>12}")
    for workers in (1, 10, 100):
        old, new = a_minute(before, workers), a_minute(after, workers)
        print(f"{workers:>8} {old:>24,.0f} {new:>18,.0f} {old / new:>12.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
