"""What operators read: each document decoded into the Prometheus operator's own Go types, which know no other field."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from documents import FOLDER

SOURCE = Path(__file__).parent / "strict"

pytestmark = [
    pytest.mark.backend,
    pytest.mark.skipif(shutil.which("go") is None, reason="Go is not on this machine (https://go.dev/dl/)"),
]


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("strict") / "strict"
    command = ["go", "build", "-mod=readonly", "-o", str(program), "."]
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false", "GOWORK": "off"}
    done = subprocess.run(command, cwd=SOURCE, env=environment, capture_output=True, text=True, check=False)
    if "dial tcp" in done.stderr and os.environ.get("CI") != "true":
        pytest.skip("no module proxy answers")
    assert done.returncode == 0, done.stderr
    return program


def decoded(strict: Path, text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([strict], input=text, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("name", "count"), [("rules.yaml", 14), ("servicemonitor.yaml", 1)])
def test_the_operators_types_know_every_field(strict: Path, name: str, count: int) -> None:
    done = decoded(strict, (FOLDER / name).read_text("utf-8"))

    assert (done.stdout, done.stderr) == (f"{count}\n", "")


@pytest.mark.parametrize(
    ("name", "right", "wrong", "said"),
    [
        (
            "rules.yaml",
            "    - alert: WhatsSelfQueueStuck",
            "    - allert: WhatsSelfQueueStuck",
            'unknown field "allert"',
        ),
        ("rules.yaml", "      for: 5m", "      for: [5]", "cannot unmarshal array"),
        ("servicemonitor.yaml", "endpoints:", "endpoint:", 'unknown field "endpoint"'),
        ("servicemonitor.yaml", "targetLabel: job", "targetLabel: {job: job}", "cannot unmarshal object"),
    ],
)
def test_a_misspelled_field_and_an_invalid_value_fail(
    strict: Path, name: str, right: str, wrong: str, said: str
) -> None:
    text = (FOLDER / name).read_text("utf-8")
    assert right in text

    done = decoded(strict, text.replace(right, wrong, 1))

    assert done.returncode == 1
    assert said in done.stderr
