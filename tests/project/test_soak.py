"""The soak: memory, threads and descriptors of an application under load stay constant."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent.parent / "benchmarks" / "soak.py"
MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("seconds", "most_mib_an_hour"),
    [
        pytest.param(15, None, marks=pytest.mark.e2e, id="15 seconds"),
        pytest.param(1800, 20, marks=pytest.mark.proof, id="30 minutes"),
    ],
)
def test_threads_descriptors_and_memory_are_flat(
    seconds: float, most_mib_an_hour: float | None, tmp_path: Path
) -> None:
    output = tmp_path / "soak.json"
    subprocess.run([sys.executable, SCRIPT, "--minutes", str(seconds / 60), "--output", output], check=True)
    result = json.loads(output.read_text())
    print(result["slopes_per_hour"])  # noqa: T201 - the proof is read by people
    steady = result["samples"][len(result["samples"]) // 2 :]

    assert {sample["threads"] for sample in steady} == {steady[0]["threads"]}
    assert max(sample["descriptors"] for sample in steady) <= steady[0]["descriptors"] + 3
    assert all(signal["dropped"] == 0 for signal in result["signals"].values())
    assert result["exports"]["refused"] > 0
    if most_mib_an_hour is not None:
        assert result["slopes_per_hour"]["memory_bytes"] < most_mib_an_hour * MIB
