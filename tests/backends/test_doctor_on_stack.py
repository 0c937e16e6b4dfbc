"""The doctor against the real stack: everything arrives and is read back; a missing backend is named."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from whatsself_otel.cli.stack import Running
from whatsself_otel.stack.addresses import Addresses
from whatsself_otel.stack.errors import CommandError
from whatsself_otel.stack.native_stack import Stack, StackConfig

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.backend


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """Run the whole stack, one for each test since one of them breaks it; other commands find it as `stack up`'s."""
    try:
        with Stack(StackConfig(data=tmp_path, addresses=Addresses.free())) as running:
            urls = {name: process.ready_url for name, process in running.processes.items()}
            Running(pid=os.getpid(), ports=dict(running.addresses.ports), ready_urls=urls).write(tmp_path)
            yield running
    except CommandError as error:
        pytest.skip(str(error))


def examine(stack: Stack, *arguments: str) -> tuple[int, dict[str, dict[str, str]]]:
    """Return the doctor's status and its findings by check; the last of each."""
    asked = subprocess.run(
        [sys.executable, "-m", "whatsself_otel.cli", "doctor", "--json", f"--data={stack.config.data}", *arguments],
        env={**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": stack.addresses.otlp_http},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert not asked.stderr, asked.stderr
    return asked.returncode, {each["check"]: each for each in json.loads(asked.stdout)["findings"]}


class TestStack:
    def test_a_healthy_stack_gives_back_all_three_signals_masked(self, stack: Stack) -> None:
        status, findings = examine(stack, "--patience=60")

        assert {
            check: each["state"] for check, each in findings.items() if each["state"] not in {"ok", "warning"}
        } == {}
        assert {f"round trip: {signal}" for signal in ("traces", "logs", "metrics")} < set(findings)
        assert findings["masking"]["cause"] == "The probe's phone number arrived masked."
        assert status == 0

    def test_a_backend_that_is_gone_is_named(self, stack: Stack) -> None:
        stack.stop_one("victorialogs", kill=True)

        status, findings = examine(stack, "--patience=5")

        assert status == 1
        assert findings["round trip: logs"]["state"] == "fault"
        assert "VictoriaLogs does not answer" in findings["round trip: logs"]["cause"]
        assert findings["round trip: metrics"]["state"] == "ok"
