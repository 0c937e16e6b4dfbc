"""
Scores other maskings, and the real collector, by the records of tests/masking/masking_records.py.

    python tools/score_peers.py collector                             # needs the native collector
    PEERS/bin/python tools/score_peers.py logfire sentry scrubadub presidio

The peers are not dependencies of this package: install ``logfire sentry-sdk scrubadub presidio-analyzer phonenumbers``
into an environment of their own, and run this there. What each found is kept in benchmarks/results/masking.json, from
which docs/masking.md is written.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import sys
from collections import Counter
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "masking"))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "support"))

from masking_records import kept, records
from score_masking import Score, leaks, precision, recall, shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from score_masking import Scrub

RESULTS: Final = Path(__file__).resolve().parent.parent / "benchmarks" / "results" / "masking.json"


def logfire() -> Scrub:
    """Logfire's scrubber as it is by default: names, and words in texts."""
    scrubber = import_module("logfire._internal.scrubbing").Scrubber(None)
    return lambda key, value: scrubber.scrub_value(("attributes", key or "text"), value)[0]


def sentry() -> Scrub:
    """Sentry's EventScrubber, with its list of names and that of personal data, at every depth."""
    scrubber = import_module("sentry_sdk.scrubber").EventScrubber(recursive=True, send_default_pii=False)

    def scrub(key: str | None, value: object) -> object:
        event: dict[str, Any] = {"extra": {key or "text": json.loads(json.dumps(value, default=repr))}}
        scrubber.scrub_event(event)
        found = event["extra"][key or "text"]
        return found.value if type(found).__name__ == "AnnotatedValue" else found

    return scrub


def scrubadub() -> Scrub:
    """Scrubadub's detectors that are on by default."""
    return _of_texts(import_module("scrubadub").Scrubber().clean)


def presidio() -> Scrub:
    """Presidio's recognizers of patterns, of every country; those that need a model of a language are left out."""
    library = import_module("presidio_analyzer")
    phones = import_module("presidio_analyzer.predefined_recognizers").PhoneRecognizer
    registry = library.RecognizerRegistry()
    registry.load_predefined_recognizers(languages=["en"])
    kinds = [each for each in registry.recognizers if isinstance(each, (library.PatternRecognizer, phones))]

    def clean(text: str) -> str:
        spans = [found for each in kinds for found in each.analyze(text, each.supported_entities, None) or []]
        for found in sorted(spans, key=lambda each: each.start, reverse=True):
            text = f"{text[: found.start]}<{found.entity_type}>{text[found.end :]}"
        return text

    return _of_texts(clean)


def _of_texts(clean: Callable[[str], str]) -> Scrub:
    """What cleans texts only gets a structure as JSON; one that it leaves alone counts as left alone."""

    def scrub(_key: str | None, value: object) -> object:
        text = shown(value)
        cleaned = clean(text)
        return value if cleaned == text else cleaned

    return scrub


PEERS: Final[dict[str, tuple[str, Callable[[], Scrub]]]] = {
    "logfire": ("logfire", logfire),
    "sentry": ("sentry-sdk", sentry),
    "scrubadub": ("scrubadub", scrubadub),
    "presidio": ("presidio-analyzer", presidio),
}


def scored_peer(name: str) -> dict[str, Any]:
    """Return the score of a peer: personal data found, other data untouched."""
    package, make = PEERS[name]
    scrub = make()
    return _result(f"{package} {version(package)}", recall(scrub, records()), precision(scrub, kept()))


def scored_collector() -> dict[str, Any]:
    """Return the score of the real collector; a record counts only if every depth is right."""
    from binaries import run_collector
    from masked_records import seen, through
    from otlp_sink import run_sink

    found, untouched = Score(), Score()
    quick = ("exporters::otlp_http/otlp::sending_queue::batch::flush_timeout: 10ms",)
    hidden, stay = records(), kept()
    with run_sink() as sink, run_collector("otlp", environ={"OTLP_ENDPOINT": sink.url}, settings=quick) as collector:
        for record, got in zip(hidden, through(collector, sink, [(None, each.given) for each in hidden]), strict=True):
            left = any(leaks(place, secret) for place in got.values() for secret in record.secrets)
            found.add(record.cls, ok=not left, given=record.given, got=got)
        for case, got in zip(stay, through(collector, sink, [(each.key, each.given) for each in stay]), strict=True):
            ok = all(place == seen(case.given) for place in got.values())
            untouched.add(case.cls, ok=ok, given=(case.key, case.given), got=got)
    return _result("collector 0.161.0", found, untouched)


def _result(name: str, found: Score, untouched: Score) -> dict[str, Any]:
    today = dt.datetime.now(dt.UTC).date().isoformat()
    return {"version": name, "date": today, "found": _shares(found), "untouched": _shares(untouched)}


def _shares(score: Score) -> dict[str, list[int]]:
    """Return for each kind, the part of a class before the slash: all records, and the right ones."""
    total, failed = Counter[str](), Counter[str]()
    for cls in score.total:
        kind = cls.partition("/")[0]
        total[kind] += score.total[cls]
        failed[kind] += score.failed[cls]
    return {kind: [total[kind], total[kind] - failed[kind]] for kind in total}


def main() -> int:
    """Score the peers named on the command line, and keep the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", choices=["collector", *PEERS])
    results = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    for name in parser.parse_args().names:
        results[name] = scored_collector() if name == "collector" else scored_peer(name)
        print(name, {part: sum(pair[1] for pair in results[name][part].values()) for part in ("found", "untouched")})
        RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
