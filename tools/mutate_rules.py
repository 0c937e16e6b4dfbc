"""
Breaks the rules in small ways and sees whether a test notices: thresholds, guards, aggregations, windows, waits, parts.

    python tools/mutate_rules.py                 # everything: score, and each survivor
    python tools/mutate_rules.py queue http      # only these rule files
    python tools/mutate_rules.py --list          # only say what would be broken
    python tools/mutate_rules.py --journal build/mutants.jsonl   # what a run before found out is not found out again
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import yaml
from mutation_bench import PROMETHEUS, Bench, survivors
from rule_mutants import mutants

from whatsself_otel.operations.model import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rule_mutants import Mutant

ARGUMENTS: Final = ROOT / "whatsself_otel" / "operations" / "survivors.yaml"
MOST: Final = 0.03
"""Share of mutants that may survive."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the mutants and print the score. Exit 1 if more than 3 % survive, or one survives without an argument."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="*", help="names of rule files without .yml; none: all")
    parser.add_argument("--list", action="store_true", help="only say what would be broken")
    parser.add_argument("--every", type=int, default=1, help="only each n-th mutant, for a quick look (default: 1)")
    parser.add_argument("--journal", type=Path, help="keep each result there, and take from it what is known")
    parser.add_argument("--report", type=Path, help="write the result there too, as Markdown")
    options = parser.parse_args(arguments)
    by_file = {
        path.stem: list(mutants(path))[:: options.every]
        for path in sorted((PROMETHEUS / "rules").glob("*.yml"))
        if not options.file or path.stem in options.file
    }
    if options.list:
        print("\n".join(str(mutant) for some in by_file.values() for mutant in some))
        return 0
    score = _count(Bench(options.journal), by_file)
    if options.report:
        options.report.write_text(score.page(options.every), "utf-8")
    return score.status()


@dataclass(slots=True)
class Score:
    """The number of detected mutants, and the survivors."""

    valid: dict[str, int]
    """By rule file."""
    survivors: list[Mutant]
    arguments: Mapping[str, str]
    """Why a survivor may survive."""

    def status(self) -> int:
        """Print the result and return the exit status."""
        total = sum(self.valid.values())
        print(f"{total - len(self.survivors)} of {total} mutants were noticed, {len(self.survivors)} survived.")
        unargued = [mutant for mutant in self.survivors if str(mutant) not in self.arguments]
        for mutant in unargued:
            print(f"No argument in {ARGUMENTS.relative_to(ROOT)} for: {mutant}")
        return int(bool(unargued) or len(self.survivors) > MOST * total)

    def page(self, every: int = 1) -> str:
        """Return the result as a page, which says of a sample that it is one."""
        total, left = sum(self.valid.values()), len(self.survivors)
        files = [f"| {name} | {count} | {self._left(name)} |" for name, count in self.valid.items()]
        rows = [f"| `{_cell(str(mutant))}` | {self.arguments.get(str(mutant), 'none')} |" for mutant in self.survivors]
        return "\n".join([
            "# The rules, broken on purpose",
            "",
            "Written by `python tools/mutate_rules.py --report docs/evidence/mutations.md` on",
            f"{datetime.now(UTC):%Y-%m-%d}: each threshold, guard, aggregation, window, wait and part of a rule is",
            "changed, one at a time, and the rules' own tests are run with it.",
            *([f"A sample: one change of {every}."] if every > 1 else []),
            *([f"Not run: {', '.join(absent)}."] if (absent := self.absent()) else []),
            "",
            f"**{total - left} of {total} changes were noticed; {left} were not ({left / total:.1%}).**",
            "",
            "| Rule file | Changes | Not noticed |\n| --- | ---: | ---: |",
            *files,
            "",
            "## Not noticed, and why that is right\n\n| Change | Argument |\n| --- | --- |",
            *rows,
            "",
        ])  # fmt: skip

    def absent(self) -> list[str]:
        """Return the rule files that are not part of the result."""
        return sorted({path.stem for path in (PROMETHEUS / "rules").glob("*.yml")} - set(self.valid))

    def _left(self, name: str) -> int:
        return sum(mutant.file == name for mutant in self.survivors)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _count(bench: Bench, by_file: Mapping[str, Sequence[Mutant]]) -> Score:
    arguments = {
        mutant: entry["argument"]
        for entry in yaml.safe_load(ARGUMENTS.read_text("utf-8"))
        for mutant in entry["mutants"]
    }
    valid = {name: bench.valid(some) for name, some in by_file.items()}
    score = Score(valid={name: len(some) for name, some in valid.items()}, survivors=[], arguments=arguments)
    for name, alive in survivors(bench, valid):
        score.survivors += alive
        print(f"{name}: {len(valid[name]) - len(alive)} of {len(valid[name])} were noticed", flush=True)
        print("".join(f"    {mutant}\n" for mutant in alive), end="", flush=True)
    return score


if __name__ == "__main__":
    sys.exit(main())
