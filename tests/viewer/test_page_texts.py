"""Both languages come from one table, and the table is complete."""

from __future__ import annotations

import json
import re

from rows import for_each

from whatsself_otel.viewer.page_files import STATIC

TEXTS: dict[str, dict[str, str]] = json.loads((STATIC / "texts.json").read_text("utf-8"))
SOURCES = {path.name: path.read_text("utf-8") for path in (*STATIC.glob("*.js"), *STATIC.glob("*.html"))}
FIXED = re.compile(
    r"""\bt\(\s*"([\w.-]+)"|data-(?:text|label|placeholder)="([\w.-]+)"|\?\s*"(app\.live\.\w+)"\s*:\s*"(app\.live\.\w+)\""""
)
COUNTED = re.compile(r"""\bcounted\("([\w.]+)\"""")
COMPOSED = re.compile(r"""\bt\(`([\w.]*)\$\{[^}]*\}([\w.]*)`""")
FILLED = re.compile(r"\{(\w+)\}")


def used() -> set[str]:
    """Every key that the page asks for."""
    source = "\n".join(SOURCES.values())
    counted = {f"{key}.{form}" for key in COUNTED.findall(source) for form in ("one", "many")}
    problems = {f"app.{kind}" for kind in re.findall(r"""new Problem\("(\w+)"\)""", source)}
    fixed = {key for groups in FIXED.findall(source) for key in groups if key}
    return fixed | counted | problems


def composed() -> list[re.Pattern[str]]:
    """The shapes of keys that are put together."""
    return [
        re.compile(rf"{re.escape(before)}[\w-]+{re.escape(after)}")
        for source in SOURCES.values()
        for before, after in COMPOSED.findall(source)
    ]


def closed_sets() -> list[re.Pattern[str]]:
    """The shapes of the words that a closed set has in both languages."""
    sets = {name for source in SOURCES.values() for name in re.findall(r"""\bknown\(\s*"(\w+)\"""", source)}
    return [re.compile(rf"{name}\.\w+") for name in sets]


class TestTable:
    def test_each_text_is_there_in_both_languages_with_the_same_gaps(self) -> None:
        unlike = [
            key
            for key, text in TEXTS.items()
            if set(text) != {"en", "pt"}
            or not all(text.values())
            or sorted(FILLED.findall(text["en"])) != sorted(FILLED.findall(text["pt"]))
        ]

        assert unlike == []

    def test_whatever_the_page_asks_for_is_there(self) -> None:
        assert used() - set(TEXTS) == set()

    def test_nothing_is_there_that_the_page_never_asks_for(self) -> None:
        patterns = [*composed(), *closed_sets()]
        lonely = {key for key in set(TEXTS) - used() if not any(pattern.fullmatch(key) for pattern in patterns)}

        assert lonely == set()

    def test_the_page_never_turns_text_into_markup(self) -> None:
        source = "\n".join(SOURCES.values())

        assert re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|srcdoc|eval\(", source) == []

    @for_each("attribute", ["FAILURE_REASON", "MESSAGE_KIND"])
    def test_every_word_of_the_catalogue_is_there(self, attribute: str) -> None:
        from whatsself_otel import catalogue

        spec = getattr(catalogue, attribute)
        known = {key.removeprefix(f"{spec.name}.") for key in TEXTS if key.startswith(f"{spec.name}.")}

        assert set(spec.values) - known == set()

    def test_every_objective_of_the_shared_file_has_a_name(self) -> None:
        from whatsself_otel.viewer.objectives import objectives

        assert [each.name for each in objectives() if f"health.objective.{each.name}" not in TEXTS] == []
