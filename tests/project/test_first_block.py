"""README's first block, typed where Python is only called python3 and refuses to be installed into."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from markdown_pages import ROOT, fences, table_rows

from whatsself_otel.stack.errors import MISSING
from whatsself_otel.viewer.note import Note

NEEDED = ("sh", "dirname", "basename", "uname", "git")
"""Programs of a bare system that the block, or pip for it, calls."""


STOCK = Path("/usr/bin/python3")
LANGUAGES = {"README.md": "en", "README.pt-BR.md": "pt-BR"}
STACK = {"en": "Stack: viewer, because it runs already", "pt-BR": "Pilha: viewer, porque já está rodando"}
STEPS = {
    "whatsself-otel stack up --native": (
        "make wheels",
        'pip install --no-index --find-links FOLDER "whatsself-otel[stack]"',
    ),
    "whatsself-otel stack up --docker": ("https://docs.docker.com/get-docker/",),
}
"""Each further step of the road, and its message where a requirement is missing."""
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(sys.platform == "win32", reason="types the commands into a POSIX shell"),
]


def is_managed(python: Path) -> bool:
    """Whether *python* is new enough, and the system's own, which refuses to be installed into."""
    program = "import ensurepip, sys, sysconfig; print(sys.version_info >= (3, 11), sysconfig.get_path('stdlib'))"
    try:
        told = subprocess.run([python, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    except (OSError, subprocess.CalledProcessError):
        return False
    return told[0] == "True" and Path(told[1], "EXTERNALLY-MANAGED").is_file()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def bare(home: Path) -> dict[str, str]:
    """Variables of a machine that has ``python3``, no ``python`` and no ``pip``."""
    programs = home / "programs"
    programs.mkdir()
    for name in NEEDED:
        if (found := shutil.which(name)) is not None:
            (programs / name).symlink_to(found)
    (programs / "python3").symlink_to(STOCK if is_managed(STOCK) else Path(sys.executable).resolve())
    variables = {"PATH": str(programs), "HOME": str(home), "WHATSSELF_OTEL_DATA": str(home / "data")}
    passed_on = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_"))}
    return {**passed_on, **variables, "PIP_CONSTRAINT": str(ROOT / "constraints.txt")}


@pytest.fixture(scope="module")
def clone(home: Path, bare: dict[str, str]) -> Path:
    """
    A copy of the committed and staged files, as a newcomer has it, after the first lines of the block.

    They are the same in both languages: tests/project/test_readme.py.
    """
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    folder = home / "clone"
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    install = fences("README.md", "sh")[0].text.strip().rpartition("\n")[0]
    done = typed(install, folder, bare)
    if "No matching distribution" in done.stderr and os.environ.get("CI") != "true":
        pytest.skip("no package index answers")
    assert done.returncode == 0, done.stderr
    return folder


def typed(lines: str, folder: Path, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Type *lines* into a shell that ends at the first one that fails."""
    return subprocess.run(
        ["/bin/sh", "-ec", lines], cwd=folder, env=variables, capture_output=True, text=True, check=False
    )


def test_the_python_of_the_system_takes_no_packages(clone: Path, bare: dict[str, str]) -> None:
    """On Debian and Ubuntu (PEP 668) the block creates a separate environment."""
    assert shutil.which("python", path=bare["PATH"]) is None
    if not is_managed(STOCK):
        pytest.skip(f"{STOCK} is not Debian's")
    told = typed(
        "python3 -m venv --without-pip here; here/bin/python -c 'import sys; print(sys.base_prefix)'", clone, bare
    )

    assert told.stdout.strip() == "/usr"
    assert typed(".venv/bin/python -c 'import sys; print(sys.base_prefix)'", clone, bare).stdout.strip() == "/usr"


@pytest.mark.parametrize("page", LANGUAGES)
def test_the_first_block_works_where_there_is_no_python_by_that_name(
    page: str, home: Path, clone: Path, bare: dict[str, str]
) -> None:
    first, second = (fence.text for fence in fences(page, "sh")[:2])
    view = first.strip().rpartition("\n")[2]
    variables = {**bare, "WHATSSELF_OTEL_LANG": LANGUAGES[page]}

    command = f". .venv/bin/activate; exec {view} --port 0 --no-grpc"  # the page's ports may be taken here
    with subprocess.Popen(["/bin/sh", "-ec", command], cwd=clone, env=variables, stdout=subprocess.DEVNULL) as viewer:
        try:
            wait_for_note(home / "data" / "viewer.json")
            shown = typed(second, clone, variables)
        finally:
            viewer.terminate()
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.startswith(STACK[LANGUAGES[page]])
    for part in ("POST /webhook/messages", "INSERT messages", "wait in queue", "send whatsapp", "acknowledge whatsapp"):
        assert part in shown.stdout


@pytest.mark.parametrize("page", LANGUAGES)
def test_the_road_goes_on_and_each_step_says_what_it_needs(page: str, clone: Path, bare: dict[str, str]) -> None:
    """Where that is there: tests/e2e/test_stack_by_pip.py, tests/project/test_compose.py, tests/kubernetes."""
    road = [row[1].strip("`") for row in table_rows(page) if row[1].startswith("`whatsself-otel ")]
    assert road == ["whatsself-otel view", *STEPS]
    for step, remedies in STEPS.items():
        asked = typed(f". .venv/bin/activate; {step}", clone, {**bare, "WHATSSELF_OTEL_LANG": LANGUAGES[page]})

        assert asked.returncode == MISSING, asked.stderr
        for remedy in remedies:
            assert remedy in asked.stderr


def wait_for_note(path: Path) -> None:
    deadline = time.monotonic() + 60
    while Note.read(path) is None:
        assert time.monotonic() < deadline, "the viewer did not start"
        time.sleep(0.1)
