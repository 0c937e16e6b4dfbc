"""Every text that a user can see is in the catalogues, wherever it stands, and nothing there is stale."""

from __future__ import annotations

import argparse
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rows import for_each
from shown_texts import ELSEWHERE, PACKAGE, Text, literals, shown_texts

from whatsself_otel import TelemetryConfig
from whatsself_otel._environment import OTHERS
from whatsself_otel.cli import parser
from whatsself_otel.config import variable_names
from whatsself_otel.language import _END, catalogue, keys, translated
from whatsself_otel.masking.audit import ALLOWED

if TYPE_CHECKING:
    from collections.abc import Iterator

FRAMES = (
    "{}",
    "{}.",
    "WHATSSELF_OTEL_X {}, got x7; it counts as unset.",
    "WHATSSELF_OTEL_X {}",
    "WHATSSELF_OTEL_X must be true or false, got x7; {}.",
    "WHATSSELF_OTEL_X must be a number of seconds {}, got x7; it counts as unset.",
    "WHATSSELF_OTEL_X has no effect. {} Unset it.",
    "WHATSSELF_OTEL_X must be one of x7{}, got x7; it counts as unset.",
    "WHATSSELF_OTEL_X is not a variable of whatsself_otel: {}",
    "--x: {}.",
    "--x: must be a number {}, got x7.",
    "x7: {}",
    "x7: ready {}",
    "The collector was not started: {}.",
    "The viewer cannot start: {}.",
    "cannot read x7: {}; give a file of JSON",
    "Native: Not on this machine: x7. {}",
    "Use Docker, or install the wheels that `make wheels` packs in a clone (needs Go): {}, or set x7 to its path.",
    "Run `python native/build.py` (needs Go, https://go.dev/dl/), or {}.",
    "The stack was not quiet in 7 s: {}.",
    "The last export of logs failed (x7); {}",
    "The last export of logs failed ({}); is a collector listening at x7?",
    "The receiver took it, but Loki {}.",
    "Nothing has left for x (logs) {}; 7 bytes wait.",
    "The receiver's clock is 7 s {} this machine's.",
    "x 1.0 differs inside from what this whatsself_otel knows. {}",
    "X is not set. Set it{}.",
    "{} logger.",
    "Collector: base, {}.",
)
"""Sentences that contain another text, one that is not a sentence."""
ALREADY_RUNNING = (
    "setup_telemetry() already runs with other settings ({}); use the handle it returned, or call its shutdown() first."
)
COMPOSED: dict[str, tuple[str, ...]] = {
    "{} {}, got {}; it counts as unset.": (),
    "{}, got {}; it counts as unset.": (),
    "{} is not a variable of whatsself_otel: {}": ("X is not a variable of whatsself_otel: it is ignored.",),
    "must be a number of seconds {}": (),
    "must be header names with values of printable ASCII, as key=value,key=value in the environment, and none of {} or "
    "grpc-…": (),
    "must be names of installed propagators ({}; b3 comes with opentelemetry-propagator-b3), separated by commas": (),
    "(for /metrics set WHATSSELF_OTEL_PROMETHEUS=true)": (),
    "{}: the collector's queue may not fit.": ("1.0 GB free at /x: the collector's queue may not fit.",),
    "The receiver took it, but {} {}.": (
        "The receiver took it, but Loki does not have it.",
        "The receiver took it, but The viewer answers 500.",
        "The receiver took it, but The trace store at http://x has not answered.",
        "The receiver took it, but Loki does not answer (MaxRetryError).",
    ),
    "Nothing has left for {} {}; {} wait.": ("Nothing has left for x (logs) in the 5 s of this check; 7 bytes wait.",),
    "The receiver's clock is {} s {} this machine's.": ("The receiver's clock is 7 s behind this machine's.",),
    "{} beside {}; an error when it is not found": (),
    "{} alone, even when {} is found": (),
    "{} traces have this id; this is the {}.": (
        "7 traces have this id; this is the newest.",
        "7 traces have this id; this is the first.",
    ),
    "The last export of {} failed ({});": (
        "The last export of logs failed (x7); the log of the receiver at x says why.",
    ),
    "{} of {} hangs: it has been under way for {} s.": (
        "A request of logs hangs: it has been under way for 40 s.",
        "A collection of metrics hangs: it has been under way for 40 s.",
    ),
    "Download it from https://github.com/grafana/{}/releases, put it on PATH or {}.": (
        "Download it from https://github.com/grafana/x/releases, put it on PATH or set X to its path.",
    ),
    "Run `python native/build.py` (needs Go, https://go.dev/dl/), or {}.": (
        "Run `python native/build.py` (needs Go, https://go.dev/dl/), or set X to its path.",
    ),
    "Use Docker, or install the wheels that `make wheels` packs in a clone (needs Go): `{}`, or {}.": (
        "Use Docker, or install the wheels that `make wheels` packs in a clone (needs Go): `x`, or set X to its path.",
    ),
}
"""Templates with a place for our words, and how to show them; none: a setting or a parser shows them."""
UNSHOWN = {
    "whatsself-otel doctor probe": "a name in telemetry",
    "doctor was here": "a name in telemetry",
    "progress of {}": "a thread's name",
    "whatsself-otel session retire": "who made a silence, in Alertmanager",
    "Session {} was given up.": "a silence's comment, in Alertmanager",
    "gRPC cannot": "a beginning by which an error is known",
    "larger than max": "grpcio's words",
    "Connection refused": "grpcio's words",
    "TLS: Hostname mismatch": "OpenSSL's words",
    r"SSL routines:\w+:(\w+)": "grpcio's words",
    "Target metadata": "of /metrics, for Prometheus",
    "{}, a name of two types": "of /metrics, in a log line",
    "text/plain; charset=utf-8": "of /metrics, for Prometheus",
    "json: unsupported value: {}": "of a label, as Go has it",
    "the following arguments are required:": "argparse's own words",
    "usage:": "argparse's own word",
    "all      http://{}:{}  (grafana)": "an address",
    **dict.fromkeys((label for label, _ in ALLOWED), "names of patterns, for docs/masking.md"),
    **dict.fromkeys(
        (
            "environ must map text to text, as os.environ does, got {}.",
            "engine must be a SQLAlchemy engine, sync or async, got {}.",
            ALREADY_RUNNING,
            "{}() needs running telemetry, and there is none: call setup_telemetry() first.",
            "the bearer token of /metrics must not be empty; pass None for none.",
            "{} configuration problem(s):",
            "{} personal value(s) found, by kind and place:",
        ),
        "an exception, for programmers",
    ),
}
TYPED = re.compile(r"(?:[A-Z_]+=\S+ )*(?:whatsself-otel|python -m|pip install) |\{\} whatsself-otel ")
"""A command line."""
WITHIN = re.compile(r"whatsself-otel [a-z-]+(?: [a-z]+)?|(?:pip|rq|python) [\w./-]+|`[^`]+`")
"""Typed words inside a sentence."""


def texts(of: argparse.ArgumentParser) -> Iterator[str]:
    """Every text of a parser and of its commands."""
    yield from filter(None, (of.description, of.epilog))
    for group in of._action_groups:
        yield from filter(None, (group.title, group.description))
    for action in of._actions:
        yield from filter(None, (action.help,))
        if isinstance(action, argparse._SubParsersAction):
            yield from (choice.help for choice in action._choices_actions if choice.help)
            for command in action.choices.values():
                yield from texts(command)


OF_PARSERS = list(texts(parser()))
NEEDED = {key for text in OF_PARSERS for key in keys(text)} | {"usage: "}


def sentences(text: Text) -> Iterator[str]:
    """Yield the sentences of *text* as shown, with their places filled."""
    if text.says in UNSHOWN or TYPED.match(text.says) or any(text.whole in each for each in OF_PARSERS):
        return
    for part in _END.split(text.says):
        if part in COMPOSED or TYPED.match(part):
            yield from COMPOSED.get(part, ())
            continue
        filled = re.sub(r"^\{\}(?: (?=[A-Z][a-z])|(?=[a-z]))", "", part).replace("{}", "x7")
        if re.search(r"[a-z]{2}", filled.replace("x7", "")):
            yield filled


def is_said(sentence: str) -> bool:
    """Whether *sentence* comes out in Portuguese, alone or inside one of `FRAMES`."""
    words = re.findall(r"[^\s()]+", WITHIN.sub("", sentence))
    left = [" ".join(words[at : at + 3]) for at in range(max(1, len(words) - 2))]
    left = [each for each in left if re.search(r"[a-z]{2,}", each.replace("x7", ""))]
    for frame in FRAMES:
        told = translated(frame.format(sentence))
        if sentence not in told and not any(each in told for each in left if " " in each and not _is_kept(each)):
            return True
    return False


def _is_kept(words: str) -> bool:
    """Whether *words* are the same in both languages: names, options, code."""
    return re.search(r"(?<![\w`./-])[a-z]{2,} [a-z]{2,}(?![\w`/])", words) is None


def untold(package: Path = PACKAGE) -> list[str]:
    """Each text that stays English, with its place."""
    found = {(text.place, said) for text in shown_texts(package) for said in sentences(text) if not is_said(said)}
    return sorted(f"{place}: {said}" for place, said in found)


@pytest.fixture
def portuguese(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHATSSELF_OTEL_LANG", "pt-BR")


@pytest.mark.usefixtures("portuguese")
class TestEveryText:
    def test_of_the_package_is_in_the_catalogues(self) -> None:
        missing = untold()

        assert not missing, "\n".join(["write these into whatsself_otel/language:", *missing])

    def test_of_the_parsers_is_in_the_catalogues(self) -> None:
        missing = NEEDED - catalogue().keys()

        assert not missing, "\n".join(["write these into whatsself_otel/language/help.toml:", *sorted(missing)])

    def test_that_is_new_is_found_wherever_it_stands(self, tmp_path: Path) -> None:
        """A sentence, a part of one, and a shown word, in a module that is in no list."""
        (tmp_path / "new").mkdir()
        (tmp_path / "new" / "module.py").write_text(
            'HINT = "Turn it off and on again."\ndef f(x):\n    say("nonsense")\n    return f"{x} does odd things"\n'
        )

        assert untold(tmp_path) == [
            "new/module.py:1: Turn it off and on again.",
            "new/module.py:3: nonsense",
            "new/module.py:4: x7 does odd things",
        ]

    def test_of_a_setting_that_is_wrong_is_told_whole(self) -> None:
        """Every setting with a variable gets a wrong value."""
        assert len(wrong_settings()) > 30
        english = re.compile(r"\b(must|got|instead|unset|effect|Correct|is not)\b")
        assert [told for told in map(translated, wrong_settings()) if english.search(told)] == []

    def test_in_the_catalogues_is_said_by_something(self) -> None:
        said = " ".join(" ".join([literals(), *wrong_settings()]).split())
        elsewhere = NEEDED | table("errors", "argparse").keys() | table("vendors", "vendor-files").keys()
        stale = {key for key in catalogue() if not any(part in said for part in parts_of(key))} - elsewhere

        assert not stale, "\n".join(["nothing says these any more:", *sorted(stale)])


def parts_of(key: str) -> list[str]:
    """The first words of each part of *key* that stands in one literal, without parts of one word."""
    parts = [part.split()[:4] for part in re.split(r"\{\}|[;:,.()] ?", key)]
    longest = max(map(len, parts))
    return [" ".join(words) for words in parts if len(words) >= min(2, longest) and words]


def table(name: str, part: str) -> dict[str, str]:
    """One part of one catalogue."""
    read: dict[str, dict[str, str]] = tomllib.loads((PACKAGE / "language" / f"{name}.toml").read_text(encoding="utf-8"))
    return read[part]


def wrong_settings() -> list[str]:
    """Problems shown when every variable holds a wrong value."""
    names = [name for name in variable_names() if "(" not in name and not name.endswith("_FILE")]
    config = TelemetryConfig(environ=dict.fromkeys([*names, "WHATSSELF_OTEL_NOTHING"], "\x00 no value of it"))
    config_file = TelemetryConfig(environ=dict.fromkeys((other.name for other in OTHERS), "x"))
    return [*config.problems, *config_file.problems]


class TestCatalogues:
    def test_say_each_thing_in_portuguese_with_the_same_places(self) -> None:
        same = {"traces", "logs", "delta", "spans", "webhook {}: {}", "São Paulo ({})"}
        assert [key for key, text in catalogue().items() if not text or (text == key and key not in same)] == []
        assert [key for key, text in catalogue().items() if key.count("{}") != text.count("{}")] == []

    @for_each("kind", [r"--[a-z][a-z-]+", r"\b[A-Z]+(?:_[A-Z0-9]+)+\b", r"`[^`]+`", r"https?://[\w:/]*"])
    def test_keep_what_is_typed(self, kind: str) -> None:
        """Options, variables, code and addresses are the same in both languages."""
        differing = [
            key for key, text in catalogue().items() if sorted(re.findall(kind, key)) != sorted(re.findall(kind, text))
        ]

        assert differing == []

    def test_modules_that_are_left_out_are_there(self) -> None:
        names = [path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py")]

        assert [pattern for pattern in ELSEWHERE if not any(name.match(pattern) for name in names)] == []
