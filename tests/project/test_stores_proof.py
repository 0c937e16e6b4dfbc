"""The last whole run with Loki and Tempo is of the files that ship now: docs/evidence/loki-and-tempo.md."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import prove_stores
import pytest
from rows import for_each

Digests = dict[str, tuple[int, str]]
ROOT = Path(__file__).parent.parent.parent
ASKS = re.compile(r"/loki/api/v1/query|/api/search\?")
"""Where Loki and Tempo are asked in their languages."""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of everything that is compared."""
    for folder in ("backends", "collector/vendors", "whatsself_otel"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    (tmp_path / "docs").mkdir()
    shutil.copy(ROOT / "docs/runbooks.md", tmp_path / "docs")
    return tmp_path


@pytest.fixture(scope="module")
def before() -> Digests:
    """What ships; a copy has the same."""
    return prove_stores.digests()


def test_nothing_has_changed_since_the_whole_run_with_loki_and_tempo(before: Digests) -> None:
    """If this fails: LOKI_BIN=... TEMPO_BIN=... python tools/prove_stores.py."""
    proven = prove_stores.proven((ROOT / prove_stores.PAGE).read_text("utf-8"))
    asked = {digest for place, (_, digest) in proven.items() if place.startswith(prove_stores.RUNBOOKS)}

    # A query that one alert's checks have asked is proven in every other's too.
    assert [
        place
        for place, found in before.items()
        if proven.get(place) != found and not (place.startswith(prove_stores.RUNBOOKS) and found[1] in asked)
    ] == []


def test_every_module_that_asks_loki_or_tempo_has_its_query_compared(before: Digests) -> None:
    asking = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "whatsself_otel").rglob("*.py")
        if ASKS.search(path.read_text("utf-8"))
    }

    assert len(asking) >= 4
    assert asking <= set(before)


@for_each(
    "name, old, new",
    [
        ("backends/loki/loki.yaml", "max_chunk_age: 48h", "max_chunk_age: 47h"),
        ("backends/tempo/tempo.yaml", "336h", "337h"),
        ("collector/vendors/local.yaml", "max_size: 2000000", "max_size: 3000000"),
        ("whatsself_otel/viewer/trace_stores.py", "span.{key} = ", "span.{key} != "),
        ("whatsself_otel/stack/log_stores.py", "| trace_id=", "| traceId="),
        ("backends/grafana/dashboards/overview.json", 'event != \\"\\"', 'event = \\"x\\"'),
        ("backends/grafana/provisioning/datasources/whatsself.yaml", "| trace_id=", "| trace_id!="),
    ],
)
def test_a_change_of_any_of_them_is_seen(copy: Path, before: Digests, name: str, old: str, new: str) -> None:
    text = (copy / name).read_text("utf-8")
    assert old in text
    (copy / name).write_text(text.replace(old, new), "utf-8")
    seen = {place for place, found in prove_stores.digests(copy).items() if found != before[place]}
    (copy / name).write_text(text, "utf-8")

    assert seen == {name}


@for_each("old, new", [('event!=""', 'event="x"'), ("status = error", "status = ok")])
def test_a_change_of_a_runbooks_check_is_seen(copy: Path, before: Digests, old: str, new: str) -> None:
    page = copy / prove_stores.RUNBOOKS
    text = page.read_text("utf-8")
    page.write_text(text.replace(old, new), "utf-8")
    changed = {place for place, found in prove_stores.digests(copy).items() if found != before[place]}
    page.write_text(text, "utf-8")

    assert len(changed) == len(re.findall(rf"^## (?:(?!^## ).)*?{re.escape(old)}", text, re.DOTALL | re.MULTILINE)) > 1
    assert all(place.startswith(f"{prove_stores.RUNBOOKS}#") for place in changed)


def test_a_new_query_in_a_module_that_had_none_is_seen(copy: Path, before: Digests) -> None:
    (copy / "whatsself_otel/cli/new.py").write_text('QUERY = f\'{{service_name="{name}"}} |= "x"\'\n', "utf-8")

    assert set(prove_stores.digests(copy)) - set(before) == {"whatsself_otel/cli/new.py"}


def test_a_comment_changes_nothing(copy: Path, before: Digests) -> None:
    for name in prove_stores.FILES:
        (copy / name).write_text("# a word more\n" + (copy / name).read_text("utf-8"), "utf-8")

    assert prove_stores.digests(copy) == before


def test_what_the_page_names_is_read_back_from_its_rows(before: Digests) -> None:
    assert prove_stores.proven("\n".join(prove_stores.row(place, *each) for place, each in before.items())) == before
