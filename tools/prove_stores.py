"""
Run every test that asks a store, with Loki and Tempo too, and write docs/evidence/loki-and-tempo.md.

    LOKI_BIN=/path/to/loki TEMPO_BIN=/path/to/tempo python tools/prove_stores.py

Loki and Tempo are seldom at hand, so that page is their proof. It names what the run has proven by digest: their files,
the vendor file that sends to them, and every LogQL and TraceQL query. tests/project/test_stores_proof.py fails when one
of them has changed since.

Exit status: 0 written, 1 a test failed or was skipped for want of a store, 3 a program is missing.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
import runpy
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

import yaml

from whatsself_otel.stack.errors import MISSING, CommandError
from whatsself_otel.stack.native import FOUND, need_binary

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT: Final = Path(__file__).parent.parent
PAGE: Final = Path("docs/evidence/loki-and-tempo.md")
RUNBOOKS: Final = "docs/runbooks.md"
FILES: Final = ("backends/loki/loki.yaml", "backends/tempo/tempo.yaml", "collector/vendors/local.yaml")
TESTS: Final = (
    "tests/e2e",
    *(f"tests/backends/test_{name}.py" for name in ("configs", "dashboard_queries", "doctor_on_stack")),
    *(f"tests/backends/test_{name}.py" for name in ("late_data", "rejections", "retention")),
)
_QUERY: Final = re.compile(r"service_name\s*[=!]|(span|resource)\.[\w….]+\s*[=!<>]|\}\s*\|\s*trace_id")
"""Recognises LogQL and TraceQL; ``…`` stands for a placeholder."""
_HEAD: Final = """# Loki and Tempo, run whole

Written by `tools/prove_stores.py`: every test that asks a store, with Loki and Tempo beside VictoriaLogs and Jaeger.
`tests/project/test_stores_proof.py` fails when anything under *What was proven* has changed since; then it has to be
run again.

| Program | Version |
| --- | --- |
{versions}
{differences}

## The run

{date}, {passed} tests passed, none failed{skipped}.

| Tests | Passed |
| --- | ---: |
{counts}

What the end-to-end tests sent and found:

```text
{found}
```

## What was proven

| File, or place of queries | Queries | Digest |
| --- | ---: | --- |
"""


def digests(root: Path = ROOT) -> dict[str, tuple[int, str]]:
    """Return of each file and each place of queries how many queries it has, and the digest of what counts."""
    found = {name: (0, _digest(yaml.safe_load((root / name).read_text("utf-8")))) for name in FILES}
    asked = {place.relative_to(root).as_posix(): sorted(_queries(place)) for place in _places(root)}
    asked |= {f"{RUNBOOKS}#{alert}": sorted(queries) for alert, queries in _of_runbooks(root)}
    return found | {place: (len(queries), _digest(queries)) for place, queries in asked.items() if queries}


def _digest(meaning: Any) -> str:
    """Return a digest of plain data, so that comments and form do not count."""
    return hashlib.sha256(json.dumps(meaning, sort_keys=True, default=str).encode()).hexdigest()[:16]


_SAME: Final = re.compile(r"pt-BR|whatsself_otel/operations/|backends/prometheus/")
"""Whence the runbooks are written, or where PromQL alone stands; the runbooks themselves are compared."""


def _places(root: Path) -> Iterator[Path]:
    for folder, pattern in (("whatsself_otel", "*.py"), ("backends", "*.*")):
        yield from (path for path in sorted((root / folder).rglob(pattern)) if not _SAME.search(path.as_posix()))


def _of_runbooks(root: Path) -> Iterator[tuple[str, Iterator[str]]]:
    """Yield each alert's anchor in the page of runbooks, with its LogQL and TraceQL queries."""
    parts = re.split(r"^## (\w+)$", (root / RUNBOOKS).read_text("utf-8"), flags=re.MULTILINE)
    for alert, section in zip(parts[1::2], parts[2::2], strict=True):
        fences = re.findall(r"```(?:logql|traceql)\n(.*?)```", section, re.DOTALL)
        yield alert.lower(), (" ".join(fence.split()) for fence in fences)


def _queries(place: Path) -> Iterator[str]:
    """Return every LogQL and TraceQL query of one file."""
    text = place.read_text("utf-8")
    readers = {".py": _texts_of_python, ".json": _texts_of_json, ".yaml": _texts_of_yaml, ".yml": _texts_of_yaml}
    texts = readers[place.suffix](text) if place.suffix in readers else ()
    # A dashboard's link has its query in an address.
    yield from (each for each in map(unquote, texts) if _QUERY.search(each))


def _texts_of_python(text: str) -> Iterator[str]:
    tree = ast.parse(text)
    joined = [node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)]
    parts = {id(part) for node in joined for part in ast.walk(node) if part is not node}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
            yield node.value


def _texts_of_json(text: str) -> Iterator[str]:
    yield from _texts(json.loads(text))


def _texts_of_yaml(text: str) -> Iterator[str]:
    for document in yaml.safe_load_all(text):
        yield from _texts(document)


def _texts(data: Any) -> Iterator[str]:
    if isinstance(data, str):
        yield data
    for each in data.values() if isinstance(data, dict) else data if isinstance(data, list) else ():
        yield from _texts(each)


def row(place: str, queries: int, digest: str) -> str:
    """Return the row of the page for one place."""
    return f"| `{place}` | {queries or ''} | `{digest}` |"


def proven(page: str) -> dict[str, tuple[int, str]]:
    """Return what *page* names as proven."""
    rows = re.findall(r"^\| `([^`]+)` \| (\d*) \| `(\w+)` \|$", page, re.MULTILINE)
    return {place: (int(queries or 0), digest) for place, queries, digest in rows}


def versions() -> dict[str, str]:
    """Return the version of each program of the run."""
    build = runpy.run_path(str(ROOT / "native" / "build.py"))
    modules = {program.name: program.module for program in build["PROGRAMS"]}
    return {
        **{name: _said_by(name) for name in FOUND},
        **{
            name: build["required"]((ROOT / "native" / name / "go.mod").read_text("utf-8"), module)
            for name, module in modules.items()
        },
    }


def _said_by(name: str) -> str:
    done = subprocess.run([need_binary(name), "-version"], capture_output=True, text=True, check=True)  # noqa: S603
    found = re.search(r"\d+\.\d+\.\d+", done.stdout + done.stderr)
    return found[0] if found else "unknown"


def page(junit: ET.Element, output: str) -> str:
    """Return the text of the page about a run."""
    cases = list(junit.iter("testcase"))
    passed = [case for case in cases if not len(case) or {part.tag for part in case} <= {"system-out", "properties"}]
    counts = Counter(str(case.get("classname")).split(".test_")[0].replace(".", "/") for case in passed)
    head = _HEAD.format(
        versions=_rows({name.capitalize(): version for name, version in versions().items()}),
        differences=differences({name: _said_by(name) for name in FOUND}),
        date=datetime.now(UTC).date(),
        passed=len(passed),
        skipped=_skipped(cases),
        counts=_rows({f"`{name}`": str(count) for name, count in sorted(counts.items())}),
        found="\n".join(line for line in output.splitlines() if line.startswith("e2e ")),
    )
    return head + "\n".join(row(place, *found) for place, found in digests().items()) + "\n"


def differences(run: Mapping[str, str]) -> str:
    """Return a sentence for each of *run*, by name and version, that docker-compose.yml takes another version of."""
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"]
    pinned = {name: services[name]["image"].rpartition(":")[2] for name in run}
    return "".join(
        f"\nThe containers take {name.capitalize()} {pinned[name]}: this run is of {version}."
        for name, version in run.items()
        if pinned[name] != version
    )


def _rows(cells: Mapping[str, str]) -> str:
    return "\n".join(f"| {name} | {value} |" for name, value in cells.items())


def _skipped(cases: list[ET.Element]) -> str:
    reasons = [str(part.get("message")) for case in cases for part in case if part.tag == "skipped"]
    return f", {len(reasons)} skipped: {'; '.join(sorted(set(reasons)))}" if reasons else ""


def main() -> int:
    """Run the tests and write the page."""
    try:
        found = {name: need_binary(name) for name in FOUND}
    except CommandError as error:
        sys.stderr.write(f"{error}\n")
        return MISSING
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "junit.xml"
        command = [sys.executable, "-m", "pytest", *TESTS, "-m", "not proof", f"--junitxml={report}"]
        done = subprocess.run(command, cwd=ROOT, check=False, stdout=subprocess.PIPE, text=True)  # noqa: S603
        sys.stdout.write(done.stdout)
        if done.returncode:
            return 1
        junit = ET.parse(report).getroot()  # noqa: S314 - written by pytest just now
    text = page(junit, done.stdout)
    if any(name in text.partition("## The run")[2].partition("\n|")[0].lower() for name in found):
        sys.stderr.write("A test was skipped for want of Loki or Tempo: the run was not whole.\n")
        return 1
    (ROOT / PAGE).write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
