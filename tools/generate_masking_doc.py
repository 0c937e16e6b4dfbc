"""
Writes docs/masking.md and its Portuguese twin from the rules themselves.

The page's own words stand in tools/masking_texts.py, the Portuguese of the rules' in tools/portuguese/masking.toml.

    python tools/generate_masking_doc.py            # write
    python tools/generate_masking_doc.py --check    # exit 1 if a page is not what would be written
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from masking_texts import ENGLISH, PORTUGUESE, WORDS, Texts
from pages import table, write_or_check

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "masking"))

from masking_records import kept, records
from score_masking import Score, package, precision, recall

from whatsself_otel.masking import Masker, MaskingConfig
from whatsself_otel.masking.audit import ALLOWED
from whatsself_otel.masking.detectors import DETECTOR_RULES
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
    from collections.abc import Callable, Iterable, Sequence

RESULTS: Final = Path(__file__).resolve().parent.parent / "benchmarks" / "results" / "masking.json"
PAGE: Final = Path(__file__).resolve().parent.parent / "docs" / "masking.md"
PORTUGUESE_PAGE: Final = PAGE.parent / "pt-BR" / "masking.md"


def page(texts: Texts = ENGLISH) -> str:
    """The whole page."""
    keys = (texts.keys, _key_rules(texts), "", texts.dotted, _vocabularies(texts))
    rules = (texts.introduction, *_detectors(texts), "", *keys)
    return "\n".join((*rules, *_measured(texts), *_differences(texts), *_allowed(texts), ""))


def _detectors(texts: Texts) -> Iterable[str]:
    masker = Masker(MaskingConfig(regions=("BR", "FR")))
    yield f"## {texts.detectors}\n"
    yield table(
        texts.detector_columns,
        [
            (f"`{rule.rule}`", texts.say(rule.recognises), f"`{rule.example}`", f"`{masker.text(rule.example)}`")
            for rule in DETECTOR_RULES
        ],
    )


def _key_rules(texts: Texts) -> str:
    return table(texts.key_columns, [_key_row(rule, texts.say) for rule in KEY_RULES])


def _key_row(rule: KeyRule, say: Callable[[str], str]) -> tuple[str, ...]:
    becomes = say("a masked phone, or `[masked:phone]`") if rule.rule == "phone" else f"`[masked:{rule.rule}]`"
    qualified = "; ".join(say(f"`{word}` after {before.replace(' ', ', ')}") for word, before in rule.qualified)
    return (
        becomes,
        say(rule.meaning),
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
    (
        "milliseconds under `from` and `to`",
        "masked, as one alone could be a hidden id; `from=…&to=…` of at most 400 days stays",
        "masked in data; `from=…` in a text stays, unless it has a phone's form",
    ),
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
    (
        "statements",
        "literals become `?`",
        "literals are read by the detectors; beside six digits a name goes with its parameter (`token = ?`)",
    ),
    ("bytes", "read as text", "a body is replaced; elsewhere digits and plain text are found in their base64"),
    (
        "numbers in names of attributes",
        "masked",
        "eight digits become `****`; at a point of a metric the attribute goes",
    ),
    ("name, unit and description of a metric", "read", "searched for eight digits"),
    (
        "entity references of a resource",
        "not sent",
        "pass: nothing here can look into them; they hold names of attributes",
    ),
    ("links", "masked", "dropped, but for this package's where the receiver knows its senders (`secure.yaml`)"),
)
"""What masks, in the package and in the collector, where RE2 and OTTL cannot do the same."""


def _differences(texts: Texts) -> Iterable[str]:
    yield f"\n{texts.differences}"
    yield table(texts.difference_columns, [tuple(map(texts.say, row)) for row in _DIFFERENCES])


_PEERS: Final = {
    "collector": "collector",
    "logfire": "Logfire",
    "sentry": "Sentry",
    "scrubadub": "scrubadub",
    "presidio": "presidio",
}


def _measured(texts: Texts) -> Iterable[str]:
    yield f"\n{texts.measured}"
    results = json.loads(RESULTS.read_text("utf-8"))
    yield "; ".join(f"{results[name]['version']}, {results[name]['date']}" for name in _PEERS) + ".\n"
    scrub = package()
    yield from _beside(texts, texts.must_go, "found", _by_kind(recall(scrub, records())), results)
    yield ""
    yield from _beside(texts, texts.must_stay, "untouched", _by_kind(precision(scrub, kept())), results)


def _beside(
    texts: Texts, title: str, part: str, ours: dict[str, tuple[int, int]], results: dict[str, Any]
) -> Iterable[str]:
    rows = []
    for kind, (total, good) in ours.items():
        others = [results[name][part].get(kind, [0, 0]) for name in _PEERS]
        if any(other[0] != total for other in others):
            msg = f"benchmarks/results/masking.json was made of other records of {kind}; run tools/score_peers.py again"
            raise ValueError(msg)
        shares = [_percent(total, each) for each in (good, *(other[1] for other in others))]
        rows.append((texts.say(kind), f"{total:,}", *shares))
    sums = [sum(total for total, _ in ours.values()), sum(good for _, good in ours.values())]
    sums += [sum(pair[1] for pair in results[name][part].values()) for name in _PEERS]
    rows.append((texts.say("all"), f"{sums[0]:,}", *(_percent(sums[0], each) for each in sums[1:])))
    text = table((title, texts.records, texts.package, *_PEERS.values()), rows)
    yield text if texts is ENGLISH else re.sub(r"(?<=\d)[.,](?=\d)", lambda mark: ".,"[mark[0] == "."], text)


def _percent(total: int, good: int) -> str:
    return "100 %" if good == total else f"{min(99.9, 100 * good / total):.1f} %"


def _by_kind(score: Score) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for cls, total in score.total.items():
        kind = cls.partition("/")[0]
        before = found.get(kind, (0, 0))
        found[kind] = (before[0] + total, before[1] + total - score.failed[cls])
    return found


def _allowed(texts: Texts) -> Iterable[str]:
    yield f"\n{texts.allowed}"
    yield from (f"- {texts.say(name)}" for name, _ in ALLOWED)


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "-"


def _vocabularies(texts: Texts) -> str:
    lists = (
        *(TELEMETRY_NAMESPACES, HARMLESS_ENDINGS, frozenset(TECHNICAL_VALUES), TECHNICAL_OWNERS, TECHNICAL_IDS),
        *(CONTENT_PARENTS, SQL_KEYS, URL_KEYS, SEARCH_PARAMETERS, CONTENT_KEYS),
    )
    return texts.vocabularies.format(*(_names(sorted(each)) for each in lists))


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the pages, or check them."""
    pages = {PAGE: page(), PORTUGUESE_PAGE: page(PORTUGUESE)}
    WORDS.check()
    return write_or_check(__doc__, pages, arguments)


if __name__ == "__main__":
    sys.exit(main())
