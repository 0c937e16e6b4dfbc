"""
Writes docs/masking.md from the rules themselves.

    python tools/generate_masking_doc.py            # write
    python tools/generate_masking_doc.py --check    # exit 1 if the page is not what would be written
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pages import table, write_or_check

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "masking"))

from masking_records import kept, records
from score_masking import Score, package, precision, recall

from whatsself_otel.masking import MAX_DEPTH, MAX_ITEMS, MAX_TEXT_CHARS, Masker, MaskingConfig
from whatsself_otel.masking.audit import ALLOWED
from whatsself_otel.masking.detectors import DETECTOR_RULES, MAX_ANCHORS
from whatsself_otel.masking.keys import (
    CONTENT_KEYS,
    CONTENT_PARENTS,
    HARMLESS_ENDINGS,
    KEY_RULES,
    SEARCH_PARAMETERS,
    SQL_KEYS,
    TECHNICAL_IDS,
    TECHNICAL_OWNERS,
    TECHNICAL_VALUES,
    TELEMETRY_NAMESPACES,
    URL_KEYS,
    KeyRule,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

RESULTS: Final = Path(__file__).resolve().parent.parent / "benchmarks" / "results" / "masking.json"
PAGE: Final = Path(__file__).resolve().parent.parent / "docs" / "masking.md"

_INTRODUCTION: Final = f"""\
# Masking

Every string, key and number that leaves the process is masked first, and cut to length only after. Two kinds of rule
work together: a **key rule** masks what stands under a known name, whatever it is; a **detector** masks what it
recognises in any text. An error inside masking replaces the value by `[masked:error]`; nothing is let through and
nothing is raised. This page is generated from the rules.

- A phone becomes `+55********4321`: calling code, always eight stars, the last four digits. `mask_last=0` hides all.
  Of a number with fewer than seven digits after its calling code none is shown.
- A hidden id (`…@lid`) and a business-scoped user id are references to a person, as a phone is. Without
  `pseudonym_key_file` all of them become one constant, because whoever has a list of such ids could try each against a
  form without a key; with it each has its own pseudonym. A group's own id stays, and is never one constant: a group
  that a phone made keeps its time behind what hides that phone.
- A WhatsApp address keeps its domain, its device and the message id around it: `true_+55********4321@c.us_3EB0A1`.
- An id of the Cloud API (`wamid.…`, `wacid.…`) holds the whole phone. `message_ref()` gives the short reference that
  stands for it everywhere: the kind and 24 hex digits of SHA-256. `whatsself-otel trace` and the viewer's search accept
  the original.
- The credentials of a URL become `REDACTED:REDACTED@`, as in OpenTelemetry's conventions, so that it still parses.
- The literals of a statement become `?`, also as in these conventions.
- Everything else becomes a constant that names the rule: `[masked:body]`.
- Texts longer than {MAX_TEXT_CHARS:,} characters are cut, containers deeper than {MAX_DEPTH} or with more than
  {MAX_ITEMS:,} items too; `[masked:size]`, `[masked:depth]` and `[masked:cycle]` say so.
- Of a text with more than {MAX_ANCHORS:,} places where something personal may begin the rest is hidden by
  `[masked:size]`, so that a hostile text cannot buy time.
"""
_KEYS: Final = """\
## Keys

A name is split into words: `contactPhone`, `contact_phone`, `contact-phone` and `CONTACT_PHONE` are the same two. Words
decide, never parts of words: `author` is not `auth`. A rule applies at any depth and to query parameters, and inside
texts wherever a name stands before its value:

- in data, to the end of the value, whatever it is: JSON, the representations of Python and Node, calls
  (`Contact(name='…')`), pairs of headers, `{"name": …, "value": …}`, options of a command line, and data in strings of
  data to a depth of three. What is never closed is masked to the end of the text.
- in `key=value` and `key: value` to the closing quote; without quotes a secret ends at a space, a name at the line, and
  what people wrote at the next `key=` or at the end of the text.
- in multipart bodies, by the name of the part.

A value under a name that has a rule stays if it is a masked one, or, under an ambiguous name, if it is one of the
technical values below. A masked number becomes text. `allow_keys` frees a name from its rule.
"""
_DOTTED: Final = """\
### Dotted names

Of a dotted name the last part is read: `contact.phone` is a phone. Where the first part is a namespace of telemetry,
the words of the last column above are technical and stay: `service.name`, `exception.message`. The others are masked
even there: `messaging.message.body`. Headers are read by their own name (`http.request.header.authorization`).
"""


def page() -> str:
    """The whole page."""
    rules = (_INTRODUCTION, *_detectors(), "", _KEYS, *_key_rules(), "", _DOTTED, *_vocabularies())
    return "\n".join((*rules, *_measured(), *_differences(), *_allowed(), ""))


def _detectors() -> Iterable[str]:
    masker = Masker(MaskingConfig(regions=("BR", "FR")))
    yield "## Detectors\n"
    yield table(
        ("Rule", "Recognises", "Example", "Becomes"),
        [
            (f"`{rule.rule}`", rule.recognises, f"`{rule.example}`", f"`{masker.text(rule.example)}`")
            for rule in DETECTOR_RULES
        ],
    )


def _key_rules() -> Iterable[str]:
    header = (
        *("Becomes", "Holds", "Anywhere in a name", "At its end", "After certain words", "As the whole name"),
        "As the whole name, unless one technical word",
    )
    yield table(header, [_key_row(rule) for rule in KEY_RULES])


def _key_row(rule: KeyRule) -> tuple[str, ...]:
    becomes = "a masked phone, or `[masked:phone]`" if rule.rule == "phone" else f"`[masked:{rule.rule}]`"
    qualified = "; ".join(f"`{word}` after {before.replace(' ', ', ')}" for word, before in rule.qualified)
    return (
        becomes,
        rule.meaning,
        _names(rule.strict),
        _names(rule.exact),
        qualified or "-",
        _names(rule.outside_telemetry),
        _names(rule.phrases),
    )


_DIFFERENCES: Final = (
    (
        "what becomes of a find",
        "a token that names the rule, a masked phone",
        "`****`; a map or list with a find becomes text",
    ),
    (
        "attributes named `name`, `names`, `message`, `messages`, `input`, `prompt`, `notify`, `title` and its like",
        "masked as whole names",
        "read by the detectors: other senders put their own text there; in data they are masked alike",
    ),
    ("attributes with technical values under ambiguous names (`to=queued`)", "stay", "masked; in data they stay alike"),
    ('dotted names in data (`{"x.from": …}`)', "the last part decides", "`from` and the like only undotted"),
    (
        "the end of a value in data",
        "of any depth",
        "strings to three, brackets to four levels; what is deeper is masked to the end of the text",
    ),
    ("objects of WhatsApp in data", "what is inside is content, ids stay", "replaced whole"),
    (
        "check digits",
        "CPF, CNPJ, cards",
        "none: eleven or fourteen bare digits that are no phone pass, cards by issuer",
    ),
    (
        "bare numbers of a phone's form",
        "stay under the name of an id, before `bytes`, in an ARN",
        "masked there too, but for most accounts in an ARN",
    ),
    ("a secret in quotes with quotes and `=` inside", "to its end", "to the quote inside"),
    (
        "an id of the Cloud API",
        "its reference",
        "its reference where it stands in an attribute or body; percent-encoded or deeper, it is masked",
    ),
    ("statements", "literals become `?`", "literals are read by the detectors"),
    ("bytes", "read as text", "a body is replaced; elsewhere digits and plain text are found in their base64"),
    ("name, unit and description of a metric", "read", "searched for eight digits"),
    (
        "entity references of a resource",
        "not sent",
        "pass: nothing here can look into them; they hold names of attributes",
    ),
    ("links", "masked", "dropped, but for this package's where the receiver knows its senders (`secure.yaml`)"),
)
"""What masks, in the package and in the collector, where RE2 and OTTL cannot do the same."""


def _differences() -> Iterable[str]:
    yield "\n## What the collector does otherwise\n"
    yield (
        "The collector masks once more whatever reaches it. Its rules are generated from those above "
        "(tools/generate_collector_masking.py).\nWhere its languages cannot do what Python does, it does this:\n"
    )
    yield table(("Matter", "The package", "The collector"), _DIFFERENCES)


_PEERS: Final = {
    "collector": "collector",
    "logfire": "Logfire",
    "sentry": "Sentry",
    "scrubadub": "scrubadub",
    "presidio": "presidio",
}


def _measured() -> Iterable[str]:
    yield "\n## What it finds\n"
    yield (
        "Measured on invented records (tests/masking/masking_records.py, by tools/score_masking.py): a record counts "
        "as found\nwhen nothing of it that must go can be read. The rules were written with these records in "
        "sight: they show\nwhich kinds are known, and say nothing about those that are not.\n"
    )
    yield (
        "The other columns are of the same records (tools/score_peers.py): the real collector, where a record counts "
        "only if it\nis found in a body, in an attribute and deep in a map alike; Logfire's scrubber, Sentry's "
        "`EventScrubber`, scrubadub and\npresidio's recognizers of patterns, each as it is by default and without a "
        "model of a language. They are made for other\ndata: none of them knows a name of WhatsApp's ([never run]"
        "(unproven.md)).\n"
    )
    results = json.loads(RESULTS.read_text("utf-8"))
    yield "; ".join(f"{results[name]['version']}, {results[name]['date']}" for name in _PEERS) + ".\n"
    scrub = package()
    yield from _beside("Must go", "found", _by_kind(recall(scrub, records())), results)
    yield ""
    yield from _beside("Must stay", "untouched", _by_kind(precision(scrub, kept())), results)


def _beside(title: str, part: str, ours: dict[str, tuple[int, int]], results: dict[str, Any]) -> Iterable[str]:
    rows = []
    for kind, (total, good) in ours.items():
        others = [results[name][part].get(kind, [0, 0]) for name in _PEERS]
        if any(other[0] != total for other in others):
            msg = f"benchmarks/results/masking.json was made of other records of {kind}; run tools/score_peers.py again"
            raise ValueError(msg)
        shares = [_percent(total, each) for each in (good, *(other[1] for other in others))]
        rows.append((kind, f"{total:,}", *shares))
    sums = [sum(total for total, _ in ours.values()), sum(good for _, good in ours.values())]
    sums += [sum(pair[1] for pair in results[name][part].values()) for name in _PEERS]
    rows.append(("all", f"{sums[0]:,}", *(_percent(sums[0], each) for each in sums[1:])))
    yield table((title, "Records", "This package", *_PEERS.values()), rows)


def _percent(total: int, good: int) -> str:
    return "100 %" if good == total else f"{min(99.9, 100 * good / total):.1f} %"


def _by_kind(score: Score) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for cls, total in score.total.items():
        kind = cls.partition("/")[0]
        before = found.get(kind, (0, 0))
        found[kind] = (before[0] + total, before[1] + total - score.failed[cls])
    return found


def _allowed() -> Iterable[str]:
    yield "\n## What an audit allows\n"
    yield (
        "`whatsself-otel audit` and `assert_no_pii` apply the rules above and look with stricter eyes at what these "
        "leave: eight\ndigits in a row, base64 around them, a given name. They print kind and place only, and say how "
        "much was read; what\ncannot be read has its own exit status, 4. Of what the stricter eyes see these are "
        "allowed:\n"
    )
    yield from (f"- {name}" for name, _ in ALLOWED)


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "-"


def _vocabularies() -> Iterable[str]:
    yield f"Namespaces: {_names(sorted(TELEMETRY_NAMESPACES))}.\n"
    yield "Harmless endings, which make a name speak about the datum (`body_size`); numbers under them pass:"
    yield f"{_names(sorted(HARMLESS_ENDINGS))}.\n"
    yield 'Technical values, which stay under the names of the column "As the whole name" (`to=queued`):'
    yield f"{_names(sorted(set(TECHNICAL_VALUES)))}.\n"
    yield "Words before `name` in a text that make it a thing's name (`thread name=worker-1`):"
    yield f"{_names(sorted(TECHNICAL_OWNERS))}.\n"
    yield "Words before `id` that make a bare number an id and no phone (`order_id=393857082423`):"
    yield f"{_names(sorted(TECHNICAL_IDS))}.\n"
    yield "Objects of WhatsApp: what stands inside them is content, unless its own name has a rule or is an id:"
    yield f"{_names(sorted(CONTENT_PARENTS))}.\n"
    yield f"Read as statements: {_names(sorted(SQL_KEYS))};"
    yield "values bound to one (`db.query.parameter.*`) become `[masked:sql]`.\n"
    yield f"Read as URLs: {_names(sorted(URL_KEYS))}."
    yield f"In URLs these parameters are masked too: {_names(sorted(SEARCH_PARAMETERS))}.\n"
    yield f"Masked as content by their full name: {_names(sorted(CONTENT_KEYS))}."


if __name__ == "__main__":
    sys.exit(write_or_check(__doc__, {PAGE: page()}, None))
