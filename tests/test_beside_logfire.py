"""Logfire and this package in one application: each exports a whole tree, in whichever order they are set up."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from children import environment

pytestmark = pytest.mark.e2e
"""Its packages are fetched: in the environment of the tests it would slow every process, by a plugin of pydantic."""

PROGRAM = Path(__file__).parent / "support" / "beside_logfire.py"
PACKAGES = ("logfire==5.2.0", "executing==2.3.0")
ORDERS = {"oci": "ours first", "cio": "ours last", "coi": "ours between"}
Run = Callable[[str], Any]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("logfire")
    install = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder))
    subprocess.run([*install, *PACKAGES], check=True, timeout=300)

    @functools.cache
    def run_in(order: str) -> Any:
        done = subprocess.run(
            [sys.executable, str(PROGRAM), order],
            env=environment(PYTHONPATH=str(folder)),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout)

    return run_in


def roots(spans: list[dict[str, Any]]) -> list[str]:
    """Return the spans whose parent is not among *spans*."""
    known = {span["id"] for span in spans}
    return [span["name"] for span in spans if span["parent"] not in known]


@pytest.mark.parametrize("order", ORDERS, ids=ORDERS.get)
class TestInAnyOrder:
    def test_both_trees_are_whole_with_one_server_span_each(self, order: str, run: Run) -> None:
        seen = run(order)
        for spans in (seen["ours"], seen["theirs"]):
            assert roots(spans) == ["GET /contacts/{contact}"]
            assert len({span["trace"] for span in spans}) == 1
            assert [span["name"] for span in spans if span["is_server"]] == ["GET /contacts/{contact}"]
        assert sorted(span["name"] for span in seen["theirs"]) == [
            "GET /contacts/{contact}",
            "theirs",
            "theirs below ours",
        ]
        assert {"GET /contacts/{contact}", "ours", "SELECT"} <= {span["name"] for span in seen["ours"]}

    def test_our_spans_have_the_ids_and_our_logs_are_in_our_trace(self, order: str, run: Run) -> None:
        seen = run(order)
        (server,) = [span for span in seen["ours"] if span["is_server"]]
        (ours,) = [span for span in seen["ours"] if span["name"] == "ours"]
        assert {span["requestId"] for span in seen["ours"]} == {server["requestId"]} != {None}
        assert {span["contactId"] for span in seen["ours"]} == {"c-1"}
        assert seen["logs"] == [[server["trace"], ours["id"]]]
        assert "x-request-id" in seen["headers"]

    def test_nothing_is_wrong(self, order: str, run: Run) -> None:
        assert run(order)["problems"] == []

    def test_logfire_goes_on_after_our_shutdown(self, order: str, run: Run) -> None:
        assert [span["name"] for span in run(order)["theirs after our shutdown"]] == ["GET"]


@pytest.mark.parametrize("order", ["oc", "co"])
def test_health_says_what_to_do_where_logfire_does_not_observe_requests(order: str, run: Run) -> None:
    seen = run(order)

    assert roots(seen["ours"]) == ["GET /contacts/{contact}"]
    assert roots(seen["theirs"]) == ["theirs"]
    (problem,) = seen["problems"]
    assert "logfire.instrument_fastapi(app)" in problem
