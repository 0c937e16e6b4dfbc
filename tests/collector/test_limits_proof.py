"""Memory under many large senders at once: the body limit, the memory limit and the container's limit agree."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from typing import TYPE_CHECKING

import pytest
import yaml
from binaries import ROOT, run_collector
from children import environment
from fault_rig import QUICK, Tally, note, numbered
from isolation import wait_for
from test_abuse import Peak

if TYPE_CHECKING:
    from pathlib import Path

    from otlp_sink import Sink

pytestmark = [pytest.mark.collector, pytest.mark.proof]

SENDERS = 32
SECONDS = 60.0
SPAN_BYTES = 1080

SPANS = 1024
"""Of one process; of 6 kB of plain words each, they leave in requests of 3 MB."""
PROCESS = """
import json, sys
from whatsself_otel import TelemetryConfig, setup_telemetry

url, first, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
telemetry = setup_telemetry(config=TelemetryConfig(endpoint=url, log_to_stdout=False, metric_interval_s=600))
print("ready", flush=True)
sys.stdin.readline()
words = "the worker has sent the message to the queue of its session and waits " * 85
for number in range(first, first + count):
    telemetry.tracer.start_span("send", attributes={"item.number": number, "note": words}).end()
telemetry.force_flush(240)
print(json.dumps(telemetry.health().signals["traces"]))
"""


def container_limit_mib() -> int:
    """Return the limits of the container in docker-compose.yml."""
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
    return int(compose["services"]["otelcol"]["mem_limit"].removesuffix("m"))


@pytest.mark.parametrize("megabytes", [3.9, 14])
def test_32_large_senders_stay_below_the_containers_limit(tmp_path: Path, sink: Sink, megabytes: float) -> None:
    body = numbered(0, int(megabytes * 1e6 / SPAN_BYTES), "x" * 1000).SerializeToString()
    answers: Counter[str] = Counter()
    over = threading.Event()
    environ = {"OTLP_ENDPOINT": sink.url, "GOMEMLIMIT": "400MiB"}

    with run_collector("otlp", environ=environ, folder=tmp_path, settings=QUICK) as collector:
        peak = Peak(collector)
        senders = [
            threading.Thread(target=send, args=(collector.http_url, body, answers, over)) for _ in range(SENDERS)
        ]
        with peak.watching():
            for sender in senders:
                sender.start()
            time.sleep(SECONDS)
            over.set()
            for sender in senders:
                sender.join()
        assert collector.process.poll() is None

    said = ", ".join(f"{count} {answer}" for answer, count in sorted(answers.items()))
    nothing = Tally(sent=0, received=0, duplicated=0, lost=0)
    note(f"32 senders of {megabytes} MB at once", nothing, f"{peak.rss_mib:.0f} MiB at most; answers: {said}")
    assert peak.rss_mib < container_limit_mib()


def test_32_processes_of_the_package_lose_nothing_that_was_taken(tmp_path: Path, sink: Sink) -> None:
    environ = {"OTLP_ENDPOINT": sink.url, "GOMEMLIMIT": "400MiB"}
    with run_collector("otlp", environ=environ, folder=tmp_path, settings=QUICK) as collector:
        processes = [started(collector.http_url, number * SPANS) for number in range(SENDERS)]
        for each in processes:
            assert each.stdout is not None
            assert each.stdout.readline() == "ready\n"
        peak = Peak(collector)
        with peak.watching():
            for each in processes:
                assert each.stdin is not None
                each.stdin.write("go\n")
                each.stdin.flush()
            ends = [each.communicate(timeout=300)[0] for each in processes]
        said = [json.loads(end) for end in ends]
        exported = sum(each["exported"] for each in said)
        dropped = sum(each["dropped"] for each in said)
        result = wait_for(SENDERS * SPANS, sink)

    again = sum(each["retried"] for each in said)
    remark = f"{exported} taken, {dropped} counted dropped, {again} sent again; {peak.rss_mib:.0f} MiB at most"
    note("32 processes of the package, 3 MB a request", result, remark)
    assert peak.rss_mib < container_limit_mib()
    assert exported + dropped == SENDERS * SPANS
    assert result.received >= exported
    assert result.duplicated == 0


def started(url: str, first: int) -> subprocess.Popen[str]:
    """Start one process that sends its spans once it is told to."""
    command = [sys.executable, "-c", PROCESS, url, str(first), str(SPANS)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environment({}), stdin=pipe, stdout=pipe, text=True)


def send(url: str, body: bytes, answers: Counter[str], over: threading.Event) -> None:
    """Post *body* again and again, as a sender does that waits a little after a refusal."""
    request = urllib.request.Request(f"{url}/v1/traces", body, {"content-type": "application/x-protobuf"})
    while not over.is_set():
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                answers[str(answer.status)] += 1
        except urllib.error.HTTPError as refusal:
            refusal.close()
            answers[str(refusal.code)] += 1
            time.sleep(0.2)
        except OSError:
            answers["closed"] += 1
            time.sleep(0.2)
