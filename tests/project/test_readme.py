"""The READMEs' instructions for newcomers are run here, or tied to the test that runs them."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
from markdown_pages import (
    READMES,
    ROOT,
    commands,
    fences,
    inline_code,
    is_a_test,
    links,
    read,
    table_rows,
    tracked_pages,
)
from page_commands import INSTALL, RUN_HERE, TIED, proven
from rows import for_each

from whatsself_otel.stack.addresses import PORTS, Addresses
from whatsself_otel.stack.links import links as signal_links

STORES = ("tempo", "jaeger", "loki", "victorialogs", "prometheus")

HOUSEKEEPING = ("python3 -c", "echo ", "touch ")
"""Recipe lines of the Makefile that a person has no need of."""


@pytest.fixture
def bare_machine(tmp_path: Path) -> dict[str, str]:
    """Variables of a machine with Python and nothing else: no Docker, no Go, no built backends."""
    variables = {name: str(tmp_path / name) for name in ("HOME", "WHATSSELF_OTEL_CACHE", "WHATSSELF_OTEL_DATA", "PATH")}
    Path(variables["PATH"]).mkdir()
    return {**variables, **{name: os.environ[name] for name in ("SYSTEMROOT", "TMPDIR") if name in os.environ}}


class TestCommands:
    @for_each("page", READMES)
    def test_each_is_run_or_tied(self, page: str) -> None:
        assert set(commands(page)) - proven() == set()

    @for_each("page", READMES)
    def test_each_inside_a_sentence_is_run_or_tied_too(self, page: str) -> None:
        mentioned = {code for code in inline_code(page) if code.startswith(("make ", "whatsself-otel ", "docker "))}

        assert mentioned - proven() == set()

    @for_each("page", READMES)
    def test_every_fence_is_of_a_kind_that_is_looked_at(self, page: str) -> None:
        assert {fence.language for fence in fences(page)} <= {"sh", "powershell", "python", "text"}
        assert read(page).count("```") == 2 * len(fences(page))

    def test_both_languages_have_the_same_commands_and_code(self) -> None:
        first, second = ([fence for fence in fences(page) if fence.language != "text"] for page in READMES)

        assert first == second

    @for_each("command", RUN_HERE)
    def test_does_what_the_page_says(self, command: str, bare_machine: dict[str, str], tmp_path: Path) -> None:
        status, part = RUN_HERE[command]
        (tmp_path / "staging.jsonl").write_text('{"msg": "sent", "contactId": "contact-1"}\n', encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-m", "whatsself_otel.cli", *shlex.split(command)[1:]],
            cwd=tmp_path,
            env=bare_machine,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )

        assert done.returncode == status, done.stderr
        assert part in done.stdout + done.stderr

    def test_installs_the_package_into_an_application(self, tmp_path: Path) -> None:
        # Without dependencies: they are here already, and a test asks no package index.
        quick = ["--quiet", "--no-deps", "--no-build-isolation", "--target", str(tmp_path)]
        subprocess.run([sys.executable, *shlex.split(INSTALL)[1:], *quick], cwd=ROOT, check=True, timeout=120)

        assert (tmp_path / "whatsself_otel" / "__init__.py").is_file()
        assert (tmp_path / "whatsself_otel" / "_files" / "collector" / "config.yaml").is_file()

    @for_each("test", TIED.values(), ids=TIED.keys())
    def test_is_tied_to_a_test_that_exists(self, test: str) -> None:
        assert is_a_test(test)


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not on this machine: its targets were not compared")
class TestMake:
    def test_demo_runs_on_a_bare_machine(self, bare_machine: dict[str, str]) -> None:
        # The set-up is not repeated: the environment that runs this test is the one it makes.
        here = ["-o", ".venv/.set-up", f"BIN={Path(sys.executable).parent}"]
        done = run_make("demo", *here, env=bare_machine)

        assert done.startswith("Stack: python")
        assert re.search(r"^Trace  [0-9a-f]{32}$", done, re.MULTILINE)

    @for_each("page", READMES)
    def test_by_hand_is_what_make_does(self, page: str) -> None:
        made = run_make("-n", "-B", "demo", "test").splitlines()

        first_block = {"py -m venv .venv", r".venv\Scripts\Activate.ps1"}
        assert [words(line) for line in commands(page, "powershell") if line not in first_block] == [
            words(line) for line in made if not line.startswith(HOUSEKEEPING)
        ]

    def test_stack_is_the_command_that_is_named_beside_it(self) -> None:
        assert words(run_make("-n", "stack", "-o", ".venv/.set-up")) == words(".venv/bin/whatsself-otel stack up")

    def test_test_is_what_every_change_must_pass(self) -> None:
        assert re.search(r"^make test\b", read(".ci/run"), re.MULTILINE)

    def test_versions_is_what_every_change_must_pass_too(self) -> None:
        assert re.search(r"^make versions\b", read(".ci/run"), re.MULTILINE)
        assert "pytest -m versions" in read("Makefile")


class TestCode:
    def test_the_ten_lines_are_the_smallest_example(self) -> None:
        for page in READMES:
            first = fences(page, "python")[0]
            assert first.text == read("examples/minimal.py")
            assert len([line for line in first.lines if line]) == 10

    @for_each("page", READMES)
    def test_prints_what_its_comments_say(self, page: str, tmp_path: Path) -> None:
        for fence in fences(page, "python")[1:]:
            done = subprocess.run(
                [sys.executable, "-W", "error", "-c", fence.text],
                cwd=tmp_path,
                check=True,
                capture_output=True,
                text=True,
                timeout=60,
            )
            said = [line.partition("  # ")[2] for line in fence.lines if line.startswith("print(")]
            assert said
            assert done.stdout.splitlines() == said


class TestFacts:
    @for_each("page", tracked_pages())
    def test_every_link_leads_somewhere(self, page: str) -> None:
        assert [target for target in links(page) if not ((ROOT / page).parent / target).exists()] == []

    @for_each("page", READMES)
    def test_ports_are_those_of_the_stack(self, page: str) -> None:
        named = {int(port) for port in re.findall(r"\(porta? (\d+)", read(page))}

        assert named
        assert named - {3000} <= set(PORTS.values())  # Grafana's is only in docker-compose.yml
        assert "GRAFANA_PORT:-3000}" in read("docker-compose.yml")

    @for_each("page", READMES)
    def test_queries_are_those_the_stack_prints(self, page: str) -> None:
        """Each of them is asked for real by tests/cli/test_stack.py::TestRealBackends."""
        printed = {
            value
            for link in signal_links(Addresses(), STORES, message_id="message-1")
            for _, value in parse_qsl(urlsplit(link.query).query)
        }
        table = table_rows(page, "make stack\n")
        shown = [row[2].strip("`") for row in table if row[2].startswith("`")]

        assert len(shown) == 5
        assert set(shown) <= printed


def words(command: str) -> list[str]:
    """A command without what differs between systems and what only makes pip quiet."""
    parts = shlex.split(command.replace(".venv\\Scripts\\", ".venv/bin/"))
    quiet = ("--quiet", "--disable-pip-version-check")
    return ["python" if part == "python3" else part for part in parts if part not in quiet]


def run_make(*arguments: str, env: dict[str, str] | None = None) -> str:
    make = shutil.which("make") or "make"
    command = [make, "--no-print-directory", *arguments]
    environment = {**os.environ, **(env or {})}
    for name in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS"):  # this test may itself run under `make test`
        environment.pop(name, None)
    return subprocess.run(
        command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True, encoding="utf-8", timeout=120
    ).stdout
