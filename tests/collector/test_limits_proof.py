"""Memory under many large senders at once: the body limit, the memory limit and the container's limit agree."""

from __future__ import annotations

import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from typing import TYPE_CHECKING

import pytest
import yaml
from binaries import ROOT, run_collector
from fault_rig import QUICK, Tally, note, numbered
from test_abuse import Peak

if TYPE_CHECKING:
    from pathlib import Path

    from otlp_sink import Sink

pytestmark = [pytest.mark.collector, pytest.mark.proof]

SENDERS = 32
SECONDS = 60.0
SPAN_BYTES = 1080


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


def send(url: str, body: bytes, answers: Counter[str], over: threading.Event) -> None:
    """Post *body* again and again, as a sender does that waits a little after a refusal."""
    request = urllib.request.Request(f"{url}/v1/traces", body, {"content-type": "application/x-protobuf"})
    while not over.is_set():
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                answers[str(answer.status)] += 1
        except urllib.error.HTTPError as refusal:
            answers[str(refusal.code)] += 1
            time.sleep(0.2)
        except OSError:
            answers["closed"] += 1
            time.sleep(0.2)
