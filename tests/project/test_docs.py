"""Pages about the code keep up with it, and their commands and snippets are run."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import check_coverage
import check_prose
import check_site
import count_words
import first_steps
import generate_architecture
import generate_scale
import generate_vendors
import generate_whatsapp
import pytest
import scale_figures
from browser import need_browser, open_browser
from imports import Import
from markdown_pages import (
    READMES,
    ROOT,
    Fence,
    commands,
    fences,
    indented_code,
    inline_code,
    is_a_test,
    links,
    prose,
    read,
    table_rows,
    tracked_pages,
)
from page_commands import CHECKED, NOT_RUN, TIED, proven
from rows import for_each

from whatsself_otel import __version__
from whatsself_otel.cli import parser
from whatsself_otel.stack import vendor_files
from whatsself_otel.stack.errors import CommandError

PACKAGE = ROOT / "whatsself_otel"
PAGES = tracked_pages()
EXAMPLES = {path.read_text(encoding="utf-8") for path in (ROOT / "examples").glob("*.py")}

LOOKED_AT = {
    "sh": "tests/project/test_docs.py::TestSnippets::test_every_command_is_proven",
    "powershell": "tests/project/test_readme.py::TestMake::test_by_hand_is_what_make_does",
    "python": "tests/project/test_docs.py::TestSnippets::test_python_prints_what_its_comments_say",
    "bash": "tests/operations/test_remedies.py::TestCommands::test_of_a_runbook_are_read_by_the_shell_and_by_our_own",
    "promql": "tests/backends/test_rules.py::TestPromtool::test_parses_every_query_of_a_runbook",
    "logsql": "tests/backends/test_dashboard_queries.py::test_every_query_of_every_panel_returns_data",
    "json": "tests/logs/test_logs.py::TestShape::test_a_line_is_pinos_record",
    "mermaid": "tests/project/test_docs.py::TestArchitecture::test_the_picture_is_what_the_imports_say",
    "{toctree}": "tests/project/test_docs.py::TestSite::test_is_built_without_a_warning_and_no_link_is_dead",
}
"""Kinds of fences, and the test that looks at them."""

NOT_EXECUTED = {
    "text": "pictures of a data flow, which say nothing that could be run",
    "logql": "Loki's program is seldom at hand; tests/backends/test_dashboard_queries.py asks it where it is",
    "traceql": "Tempo's program is seldom at hand; tests/backends/test_dashboard_queries.py asks it where it is",
}
"""Kinds of fences that nothing executes, and why."""

NOT_EXECUTED_BLOCKS = {
    "collector/README.md": "a command line that tests/collector/test_vendor_switch.py builds, and a picture",
    "backends/README.md": "flags that whatsself_otel/stack/native_stack.py starts the programs with",
}
"""Pages with code set apart by spaces, and why nothing executes it."""

RUN_ELSEWHERE = {
    **dict.fromkeys(READMES, "tests/project/test_readme.py::TestCode::test_prints_what_its_comments_say"),
    "docs/logs.md": "tests/logs/test_log_libraries.py",
    "docs/pt-BR/logs.md": "tests/logs/test_log_libraries.py",
    "docs/reliability.md": "tests/test_health.py",
}
"""Pages whose Python another test runs, because it needs another setting."""

TRANSLATED = {
    "README.md": "README.pt-BR.md",
    "docs/metrics.md": "docs/metrics.pt-BR.md",
    **{
        f"docs/{page}.md": f"docs/pt-BR/{page}.md"
        for page in (
            *("index", "first-steps", "production", "several-processes", "troubleshooting", "whatsapp", "bridge"),
            *("architecture", "application", "alerting", "upgrading", "logs", "stack", "configuration", "replaced"),
            *("vendors", "scale", "masking", "kubernetes", "security", "command-line", "viewer", "runbooks"),
        )
    },
    **{f"docs/no-code/{page}.md": f"docs/pt-BR/no-code/{page}.md" for page in ("n8n", "typebot", "evolution", "waha")},
    **{
        f"docs/whatsapp/{page}.md": f"docs/pt-BR/whatsapp/{page}.md"
        for page in ("cloud-api", "evolution", "waha", "baileys", "zapi", "wppconnect", "twilio", "error-codes")
    },
}
"""What newcomers and operators read, in both languages."""


class TestSnippets:
    @for_each("page", PAGES)
    def test_every_fence_is_of_a_kind_that_is_looked_at(self, page: str) -> None:
        assert {fence.language for fence in fences(page)} <= {*LOOKED_AT, *NOT_EXECUTED}
        assert read(page).count("```") == 2 * len(fences(page))

    @for_each("page", PAGES)
    def test_code_set_apart_by_spaces_is_named_with_a_reason(self, page: str) -> None:
        assert indented_code(page) == [] or page in NOT_EXECUTED_BLOCKS

    def test_what_is_named_as_proof_exists(self) -> None:
        proofs = [*LOOKED_AT.values(), *TIED.values(), *CHECKED.values(), *RUN_ELSEWHERE.values()]

        assert [proof for proof in proofs if not is_a_test(proof)] == []
        assert all(reason for reason in [*NOT_RUN.values(), *NOT_EXECUTED.values(), *NOT_EXECUTED_BLOCKS.values()])

    @for_each("page", PAGES)
    def test_every_command_is_proven(self, page: str) -> None:
        assert set(commands(page)) - proven() == set()

    @for_each("page", PAGES)
    def test_every_command_inside_a_sentence_is_one_that_the_program_takes(self, page: str) -> None:
        mentioned = {code for code in inline_code(page) if code.startswith("whatsself-otel ")}

        assert [code for code in mentioned if not is_taken(code)] == []

    @for_each("page", [page for page in PAGES if page not in RUN_ELSEWHERE and fences(page, "python")])
    def test_python_prints_what_its_comments_say(self, page: str, tmp_path: Path) -> None:
        """A page's snippets are one program, from top to bottom; a whole example has its own test."""
        shown = [fence for fence in fences(page, "python") if fence.text not in EXAMPLES]
        if not shown:
            return
        done = run_python(shown, tmp_path)
        said = [said for fence in shown for line in fence.lines if (said := what_is_printed(line)) is not None]

        assert done.returncode == 0, done.stderr
        assert said
        assert done.stdout.splitlines() == said


def is_taken(command: str) -> bool:
    """Whether the command line accepts it; a subcommand alone counts too."""
    words = ["http://localhost" if word == "URL" else word for word in shlex.split(command)[1:]]
    try:
        parser().parse_args(words)
    except CommandError:
        return is_a_command_group(words)
    except SystemExit as stop:
        return stop.code == 0 or is_a_command_group(words)
    return True


def is_a_command_group(words: list[str]) -> bool:
    try:
        parser().parse_args([*words, "--help"])
    except SystemExit as stop:
        return stop.code == 0
    return False


def what_is_printed(line: str) -> str | None:
    return line.partition("  # ")[2] if line.lstrip().startswith("print(") else None


def run_python(shown: list[Fence], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", "\n".join(fence.text for fence in shown)],
        cwd=folder,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


class TestFirstSteps:
    @pytest.mark.skipif(sys.platform == "win32", reason="types the commands into a POSIX shell")
    def test_lead_to_ones_own_message_on_the_page(self, tmp_path: Path) -> None:
        """With the packages installed here; with the wheel alone: tests/project/test_packaging.py."""
        (trace,) = first_steps.walk(tmp_path, Path(sys.executable).parent)

        assert "contact-1" in str(trace)

    def test_its_application_is_the_smallest_example(self) -> None:
        assert fences(first_steps.PAGE, "python")[0].text == read("examples/minimal.py")


class TestLanguages:
    @for_each("page", TRANSLATED)
    def test_a_page_is_there_in_both_and_says_the_same(self, page: str) -> None:
        other = TRANSLATED[page]

        assert other in PAGES
        assert shape(page) == shape(other)
        assert prose(page) != prose(other)

    def test_no_page_is_in_portuguese_alone(self) -> None:
        portuguese = {page for page in PAGES if "pt-BR" in page}

        assert portuguese == set(TRANSLATED.values())

    def test_a_string_that_is_missing_is_seen(self) -> None:
        assert shape_of("# A\n\ntext\n\n- one\n- two\n") != shape_of("# B\n\ntexto\n\n- um\n")


def shape(page: str) -> tuple[object, ...]:
    """
    Return the properties that a translation must share: headings, items, rows, paragraphs, code and links.

    Pictures have words of their own, and the lists that make the site's navigation stand once for both languages.
    """
    code = [fence for fence in fences(page) if fence.language not in {"text", "{toctree}"}]
    return (*shape_of(prose(page)), code, len(links(page)))


def shape_of(text: str) -> tuple[list[str], int, int, int]:
    blocks = [block for block in re.split(r"\n\s*\n", text) if block.strip()]
    return (
        re.findall(r"^(#+) ", text, re.MULTILINE),
        len(re.findall(r"^ *(?:[-*]|\d+\.) ", text, re.MULTILINE)),
        len(re.findall(r"^\|", text, re.MULTILINE)),
        len(blocks),
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("site")
    options = ["--quiet", "--nitpicky", "--fail-on-warning", "--keep-going"]
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", *options, "docs", str(target)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return target


class TestSite:
    def test_is_built_without_a_warning_and_no_link_is_dead(self, site: Path) -> None:
        assert check_site.dead_links(site) == []

    def test_has_a_place_for_every_page(self, site: Path) -> None:
        front = (site / "index.html").read_text(encoding="utf-8")
        pages = [page[5:-3] for page in PAGES if re.fullmatch(r"docs/(pt-BR/)?[\w.-]+\.md", page)]

        assert [page for page in pages if page != "index" and f'href="{page}.html"' not in front] == []

    def test_loads_nothing_from_elsewhere(self, site: Path) -> None:
        kinds = r'<(?:script|img|link rel="stylesheet")[^>]*(?:src|href)="(https?:[^"]+)"'

        assert re.findall(kinds, pages_text(site)) == []

    def test_a_page_names_its_language_and_leads_to_its_twin(self, site: Path) -> None:
        for page, language, twin in (
            ("first-steps.html", "en", "pt-BR/first-steps.html"),
            ("pt-BR/first-steps.html", "pt-BR", "../first-steps.html"),
            ("metrics.html", "en", "metrics.pt-BR.html"),
            ("pt-BR/runbooks.html", "pt-BR", "../runbooks.html"),
        ):
            text = (site / page).read_text(encoding="utf-8")
            assert re.search(rf'<html[^>]* lang="{language}"', text), page
            assert f'href="{twin}" lang=' in text, page

    def test_code_can_be_copied_and_wide_tables_scroll(self, site: Path) -> None:
        text = (site / "first-steps.html").read_text(encoding="utf-8")
        assert "copybutton.js" in text
        assert "site.css" in text

    def test_is_read_at_1280_px_and_on_a_phone_searched_and_copied_from(self, site: Path) -> None:
        """In a browser: no page is wider than its window, the search finds pages, code has its button."""
        need_browser()
        with open_browser() as browser:
            for name in ("metrics.html", "vendors.html", "pt-BR/command-line.html", "pt-BR/configuration.html"):
                for width in (1280, 390):
                    page = browser.new_page(viewport={"width": width, "height": 900})
                    page.goto((site / name).as_uri())
                    assert page.evaluate("document.documentElement.scrollWidth") <= width, (name, width)
                    if (name, width) == ("metrics.html", 1280):
                        cut = "table => table.scrollWidth > table.clientWidth"
                        assert not page.locator("article table").first.evaluate(cut)
                    page.close()
            page = browser.new_page()
            page.goto((site / "first-steps.html").as_uri())
            assert page.locator("button.copybtn").count() > 3
            page.goto(f"{(site / 'search.html').as_uri()}?q=kubernetes")
            page.locator("ul.search li a").first.wait_for(timeout=20_000)
            found = page.locator("ul.search li a").evaluate_all("links => links.map(link => link.href)")
            assert any("/kubernetes.html" in link for link in found)

    def test_shows_an_option_as_it_is_typed(self, site: Path) -> None:
        assert re.findall(r"[\s(]\u2013[a-z]+", pages_text(site)) == []

    def test_a_dead_link_is_seen(self, tmp_path: Path) -> None:
        (tmp_path / "a.html").write_text('<a href="b.html">b</a><a href="#c">c</a><a href="#d">d</a><p id="d">')

        assert check_site.dead_links(tmp_path) == ["a.html: #c", "a.html: b.html"]
        assert check_site.main(tmp_path) == 1


def pages_text(site: Path) -> str:
    return "".join(path.read_text(encoding="utf-8") for path in site.rglob("*.html"))


class TestProse:
    """`make docs` counts words and turned sentences; here its two counters are shown to count."""

    def test_a_turned_opening_is_seen(self) -> None:
        found = [text for _, text in check_prose.openings('"""What is due is sent."""\nx = 1\n"""Send *x*."""\n')]

        assert [check_prose.is_turned(text) for text in found] == [True, False]

    def test_words_are_counted_and_lists_of_the_navigation_are_not(self) -> None:
        assert count_words.words("# One two\n\n```{toctree}\n:hidden:\n\npage\n```\n\nthree\n") == 4

    def test_evidence_translations_and_generated_pages_are_left_out(self) -> None:
        pages = count_words.navigation()

        assert {"index", "architecture", "decisions/0001-own-batch-queue"} <= set(pages)
        assert [page for page in pages if page.startswith(("pt-BR", "evidence", "whatsapp/"))] == []


class TestReplaced:
    def test_names_files_that_are_there_and_every_reason_has_a_page(self) -> None:
        rows = table_rows("docs/replaced.md")
        files = [name for row in rows for name in re.findall(r"`([\w/]+\.py)`", row[1])]

        assert len(files) >= len(rows)
        assert [name for name in files if not (PACKAGE / name).is_file()] == []

    @for_each("page", ["docs/add-an-alert.md", "docs/add-a-provider.md", "docs/upgrading-the-sdk.md"])
    def test_a_page_that_says_how_names_files_that_are_there(self, page: str) -> None:
        named = re.findall(r"`((?:whatsself_otel|tests|tools|benchmarks|backends|registry)/[\w/.-]+)`", read(page))

        assert named
        assert [name for name in named if "NAME" not in name and not (ROOT / name).exists()] == []


class TestScale:
    def test_the_page_is_computed_from_what_was_measured(self) -> None:
        assert generate_scale.main(["--check"]) == 0

    def test_dearer_masking_takes_more_cores(self) -> None:
        measured = scale_figures.read((ROOT / "benchmarks/collector.md").read_text("utf-8"))
        dearer = {signal: replace(row, item_us=2 * row.item_us) for signal, row in measured.items()}

        assert scale_figures.cores(1000, dearer) == pytest.approx(2 * scale_figures.cores(1000, measured))

    @for_each("page, heading", [("docs/kubernetes.md", "## Sizes"), ("docs/pt-BR/kubernetes.md", "## Tamanhos")])
    def test_the_walk_of_a_cluster_has_the_figures_that_are_computed(self, page: str, heading: str) -> None:
        """What `kubernetes/` has is the first row."""
        told = [[cell.replace(".", ",") for cell in row[:3]] for row in table_rows(page, heading)]
        measured = scale_figures.read(scale_figures.MEASURED.read_text("utf-8"))
        needs = scale_figures.stores(scale_figures.STORES.read_text("utf-8"))

        assert told == [[row[0], row[2], row[3]] for row in scale_figures.walk(measured, needs)]
        assert f"replicaCount: {told[0][1]}\n" in read("kubernetes/gateway.values.yaml")

    def test_disks_are_what_a_record_took_and_not_more_than_it_weighs(self) -> None:
        needs = scale_figures.stores(scale_figures.STORES.read_text("utf-8"))
        row = next(row for row in scale_figures.kept(needs) if row[0] == "1,000")

        assert set(needs) == {"VictoriaLogs", "Jaeger", "Prometheus, samples", "Prometheus, series", "Loki", "Tempo"}
        for column, store in ((1, "VictoriaLogs"), (2, "Loki")):
            assert float(row[column]) == pytest.approx(0.1728 * needs[store].disk_bytes, abs=0.05)
            assert float(row[column]) < float(row[4])
        assert float(row[3]) == pytest.approx(0.16128 * needs["Tempo"].disk_bytes, abs=0.05)
        assert float(row[3]) < float(row[5])

    def test_a_month_of_events_is_spans_and_records(self) -> None:
        row = next(row for row in scale_figures.bill() if row[0] == "1,000")

        assert row[1:4] == ("345.6", "172.8", "518.4")

    def test_the_engine_changes_where_its_makers_say(self) -> None:
        rows = {row[0]: row for row in scale_figures.days()}

        assert rows["10,000"][3] == "24.7"
        assert "single programs" in rows["1,000"][-1]
        assert "microservices" in rows["10,000"][-1]

    def test_a_day_is_what_a_message_weighs(self) -> None:
        spans, records = scale_figures.message_bytes()
        day = next(row for row in scale_figures.days() if row[0] == "1,000")

        assert [float(each) for each in day[1:4]] == [
            pytest.approx(each, abs=0.05)
            for each in (
                1.44 * scale_figures.SPANS_A_MESSAGE + 1.44 * scale_figures.LOGS_A_MESSAGE,
                1.44 * spans / 1e3,
                1.44 * records / 1e3,
            )
        ]


class TestWhatsApp:
    def test_the_pages_are_what_the_fixtures_record(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert generate_whatsapp.main(["--check"]) == 0, capsys.readouterr().out


class TestVendors:
    def test_the_page_is_what_the_headers_say(self) -> None:
        assert generate_vendors.main(["--check"]) == 0

    def test_it_has_every_vendor_with_what_it_needs(self) -> None:
        page = read("docs/vendors.md")
        for name in vendor_files.names():
            section = page.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
            assert [needed for needed in vendor_files.load(name).requires if f"`{needed}`" not in section] == []
            assert section


class TestCoverageReport:
    def test_names_the_gaps_and_fails_below_the_limit(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        summary = {"num_branches": 100, "covered_branches": 94, "missing_branches": 6}
        found = {"files": {"a.py": {"summary": summary, "missing_branches": [[3, 5], [7, -1]]}}, "totals": summary}
        path = tmp_path / "coverage.json"
        path.write_text(str(found).replace("'", '"'))

        assert check_coverage.main(path) == 1
        assert " 94.0 %    6 of 100  a.py  3>5 7>exit" in capsys.readouterr().out

    @for_each("version, counts", [((3, 11, 7), False), ((3, 12, 0), True), ((3, 14, 1), True)])
    def test_a_python_that_counts_too_few_is_refused_with_the_remedy(
        self,
        version: tuple[int, ...],
        counts: bool,  # noqa: FBT001
    ) -> None:
        problem = check_coverage.python_problem(version)

        assert (problem is None) is counts
        assert counts or "make coverage PYTHON=python3.12" in str(problem)


_MAPPED = ("traces", "metrics", "masking", "export", "integrations", "processes", "stack")
"""The folders whose modules the map names one by one."""


class TestArchitecture:
    def test_the_module_map_names_every_module_and_no_other(self) -> None:
        table = read("docs/code-map.md").partition("## Modules")[2]
        named = set(re.findall(r"`([a-z0-9_]+(?:\.py|/))`", table))
        top = {path.name for path in PACKAGE.glob("*.py")}
        folders = {f"{path.name}/" for path in PACKAGE.iterdir() if path.is_dir() and any(path.glob("*.py"))}
        inner = {path.name for folder in _MAPPED for path in (PACKAGE / folder).glob("*.py")}

        assert named == top | folders | inner

    @for_each("signal, most", [("A span", 6), ("A log line", 7), ("A metric", 8), ("An alert", 1)])
    def test_the_walk_goes_through_few_files_and_each_has_what_is_named(self, signal: str, most: int) -> None:
        steps = walk(signal)

        assert 0 < len({file for file, _ in steps}) <= most
        assert [(file, name) for file, name in steps if name not in defined(file)] == []

    def test_a_walk_to_nowhere_is_seen(self) -> None:
        assert "BatchQueue.put" in defined("export/batch_queue.py")
        assert "BatchQueue.nothing" not in defined("export/batch_queue.py")
        assert defined("export/nothing.py") == set()

    def test_the_picture_is_what_the_imports_say(self) -> None:
        assert generate_architecture.main(["--check"]) == 0

    def test_a_new_import_is_drawn(self) -> None:
        modules = (
            "whatsself_otel.setup",
            "whatsself_otel.logs.handler",
            "whatsself_otel.masking",
            "whatsself_otel.cli",
        )
        imports = [Import(one, other, "called") for one, other in pairwise(modules)]
        typed = Import("whatsself_otel.traces.spans", "whatsself_otel.export.otlp", "typed")

        assert generate_architecture.arrows([*imports, typed]) == [("logs", "masking"), ("masking", "cli")]


def walk(signal: str) -> list[tuple[str, str]]:
    """File and function of each step that *signal* takes."""
    section = read("docs/code-map.md").partition(f"\n### {signal}\n")[2].partition("\n##")[0]
    steps = re.findall(r"\| `([\w/]+\.py)` \| `([\w.]+)` \|$", section, re.MULTILINE)
    assert len(steps) == section.count("\n| ") - 1, "a row that names no file or function"
    return steps


def defined(file: str) -> set[str]:
    """Return the functions, classes, methods and constants of *file*, in the package or in ``tools/``."""
    path = (ROOT if file.startswith("tools/") else PACKAGE) / file
    tree = ast.parse(path.read_bytes() if path.exists() else b"")
    return {name for node in tree.body for name in named(node)}


def named(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        yield node.target.id
    elif isinstance(node, ast.FunctionDef | ast.ClassDef):
        yield node.name
        inner = node.body if isinstance(node, ast.ClassDef) else ()
        yield from (f"{node.name}.{each.name}" for each in inner if isinstance(each, ast.FunctionDef))


class TestPaths:
    def test_every_file_of_ours_that_is_named_anywhere_exists(self) -> None:
        listed = subprocess.run(["git", "ls-files", ":!tests"], cwd=ROOT, capture_output=True, text=True, check=True)
        texts = {name: (ROOT / name).read_text("utf-8", errors="replace") for name in listed.stdout.split()}

        assert {"tools/pages.py", "docs/evidence/requirements.md"} <= texts.keys()
        assert [(name, path) for name, text in texts.items() for path in gone(text)] == []

    def test_one_that_was_moved_is_seen(self) -> None:
        assert gone("see tests/test_nothing.py and `tests/test_setup.py`") == ["tests/test_nothing.py"]


def gone(text: str) -> list[str]:
    """The files of the package and of its tests that *text* names and that do not exist."""
    named = re.findall(r"(?<![\w/.-])(?:whatsself_otel|tests)(?:/\w+)+\.py\b", text)
    return [path for path in named if not (ROOT / path).exists()]


class TestDecisions:
    def test_the_list_names_each_record(self) -> None:
        records = {path.name for path in (ROOT / "docs" / "decisions").glob("[0-9]*.md")}

        assert records == set(links("docs/decisions/README.md"))

    def test_each_says_why_what_and_what_follows(self) -> None:
        for path in (ROOT / "docs" / "decisions").glob("[0-9]*.md"):
            text = path.read_text(encoding="utf-8")
            assert [part for part in ("**Why.**", "**What.**", "**What follows.**") if part not in text] == [], path


class TestChangelog:
    def test_has_the_version_of_the_package(self) -> None:
        assert f"\n## [{__version__}] - " in read("CHANGELOG.md")
