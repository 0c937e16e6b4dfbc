"""
Measure, by class of record, how much masking finds and how much it damages.

    python tools/score_masking.py                                  # the records of tests/masking/masking_records.py
    python tools/score_masking.py --cases FILE.jsonl ... --misses  # cases of your own, and what was missed of them

A case is a line of JSON: ``cls`` and ``input``, with ``leaked`` (texts that must go) or ``keep`` (texts that must stay)
and, if it has a name, ``key``.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "masking"))

from masking_records import Keep, Record, kept, records

_SHOWN: Final = re.compile(r"\+[0-9]{1,3}\*{8}")
_DIGITS: Final = re.compile(r"[0-9]{8,}")
Scrub = Callable[[str | None, object], object]


@dataclass
class Score:
    """Records of each class, and those that failed."""

    total: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    misses: list[tuple[str, object, object]] = field(default_factory=list)

    def add(self, cls: str, *, ok: bool, given: object, got: object) -> None:
        """Count one record."""
        self.total[cls] += 1
        if not ok:
            self.failed[cls] += 1
            self.misses.append((cls, given, got))

    def share(self, classes: Iterable[str] | None = None) -> float:
        """Return the share of records, of all classes or of *classes*, that did not fail."""
        names = list(self.total) if classes is None else list(classes)
        total = sum(self.total[name] for name in names)
        return 1 - sum(self.failed[name] for name in names) / total if total else 1.0


def leaks(masked: object, secret: str) -> bool:
    """Return whether *secret* can be read in *masked*; of a number, more than its last four digits."""
    text = shown(masked)
    if secret in text:
        return True
    if _DIGITS.fullmatch(secret):
        return secret[-5:] in re.sub(r"[^0-9]", "", _SHOWN.sub("", text)) and secret[-8:] in _joined(text)
    return False


def _joined(text: str) -> str:
    return re.sub(r"[^0-9]", "", _SHOWN.sub("", text))


def shown(value: object) -> str:
    """Return *value* as text, bytes and all."""
    return value if isinstance(value, str) else json.dumps(value, default=repr, ensure_ascii=False)


def recall(scrub: Scrub, cases: Iterable[Record]) -> Score:
    """Return how many records of each class are left with nothing that must go."""
    score = Score()
    for record in cases:
        got = scrub(None, record.given)
        score.add(record.cls, ok=not any(leaks(got, secret) for secret in record.secrets), given=record.given, got=got)
    return score


def precision(scrub: Scrub, cases: Iterable[Keep]) -> Score:
    """Return how many records of each class stay as they are."""
    score = Score()
    for case in cases:
        got = scrub(case.key, case.given)
        score.add(case.cls, ok=got == case.given, given=case.given, got=got)
    return score


def package() -> Scrub:
    """Return the masking of this package."""
    from whatsself_otel import Masker

    masker = Masker()
    return lambda key, value: masker.text(value) if key is None and isinstance(value, str) else masker.value(key, value)


def table(title: str, score: Score) -> str:
    """Return a table of classes."""
    rows = [f"| {title} | records | failed |", "| --- | ---: | ---: |"]
    rows += [f"| {cls} | {score.total[cls]} | {score.failed[cls]} |" for cls in score.total]
    return "\n".join([*rows, f"| **all** | {score.total.total()} | {score.failed.total()} ({1 - score.share():.1%}) |"])


def read_cases(path: Path) -> tuple[list[Record], list[tuple[dict[str, Any], list[str]]]]:
    """Return the cases of a file: those with something to hide, and those with something to keep."""
    cases = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    hide = [
        Record(case["cls"], case["promise"], case["input"], tuple(case["leaked"])) for case in cases if "leaked" in case
    ]
    return hide, [(case, case["keep"]) for case in cases if "keep" in case]


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=Path, nargs="+", help="files of cases instead of the package's own records")
    parser.add_argument("--misses", action="store_true", help="print what failed")
    arguments = parser.parse_args()
    scrub = package()
    if arguments.cases:
        scores = _scored_files(scrub, arguments.cases)
    else:
        scores = {"must go": recall(scrub, records()), "must stay": precision(scrub, kept())}
    for title, score in scores.items():
        print(table(title, score), end="\n\n")
        for cls, given, got in score.misses if arguments.misses else ():
            print(f"{cls}\n   {shown(given)[:600]!r}\n   {shown(got)[:600]!r}")
    return 0


def _scored_files(scrub: Scrub, paths: list[Path]) -> dict[str, Score]:
    go, stay = [], Score()
    for path in paths:
        hide, keep = read_cases(path)
        go += hide
        for case, texts in keep:
            got = scrub(case["key"], case["input"])
            stay.add(case["cls"], ok=all(text in shown(got) for text in texts), given=case["input"], got=got)
    return {"must go": recall(scrub, go), "must stay": stay}


if __name__ == "__main__":
    sys.exit(main())
