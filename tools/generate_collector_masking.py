"""
Write collector/masking.yaml, the collector's masking rules, from the package's rules.

    python tools/generate_collector_masking.py            # write
    python tools/generate_collector_masking.py --check    # exit 1 if the file is not what would be written

The expressions are made in collector_patterns.py; docs/masking.md lists what they cannot do.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import collector_numbers as digits
import collector_patterns as patterns
from pages import write_or_check

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

CONFIG: Final = Path(__file__).resolve().parent.parent / "collector" / "masking.yaml"
KNOWN_KEYS: Final = """
    http.request.method http.response.status_code http.route url.path url.query url.full url.scheme server.address
    server.port client.address client.port network.protocol.version network.peer.address network.peer.port
    user_agent.original error.type exception.type exception.message exception.stacktrace exception.escaped db.system
    db.system.name db.name db.namespace db.statement db.query.text db.query.summary db.operation.name
    db.collection.name db.response.status_code service.name service.namespace service.version service.instance.id
    deployment.environment.name host.name container.name k8s.pod.name k8s.namespace.name k8s.node.name
    k8s.deployment.name k8s.container.name messaging.system messaging.operation.name messaging.operation.type
    messaging.destination.name messaging.message.id messaging.batch.message_count http.request.body.size
    http.response.body.size queue.name job.name task.name session.state logger.name
    telemetry.sdk.language telemetry.sdk.name telemetry.sdk.version
    telemetry.distro.name telemetry.distro.version code.function.name code.file.path code.line.number thread.id
    thread.name requestId contactId messageId triggerId flowId stepKey route session origin reason kind status state
    outcome level event action pool masking.name masking.status masking.trace_state masking.version masking.body
    masking.schema_url masking.event_name masking.severity_text
""".split()  # noqa: SIM905 - a vocabulary reads as text
"""Harmless names, looked up in a table before any expression runs."""
_HEAD: Final = """\
# What the collector masks by: given together with the base, which names these processors. Written by
# tools/generate_collector_masking.py from the rules that the package masks by; do not edit. docs/masking.md says what
# RE2 cannot do.

processors:
"""
_SETTINGS: Final = """\
    allow_all_keys: true
    # Numbers, lists and maps are looked into as well; they become text where they held something.
    redact_all_types: true
    summary: silent
"""
_MARKS: Final = r"\n\r!\"#$'()*,./;<>?\[\]^\x60{|}~\x{C0}-\x{24F}-"
"""Without ``:``, ``=`` and a tab, which may stand between a name and its value."""
_BETWEEN: Final = rf"[ _{_MARKS}]"
_WORD: Final = f"[A-Za-z]+(?:[0-9]{{1,10}}[A-Za-z]+)*(?:[0-9]{{1,10}})?(?:{_BETWEEN}+|$)"
_UUID: Final = "[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
_QUEUE_ID: Final = "msg_1[0-9]{12}_[0-9a-z]{4,12}"
_CLOCK: Final = "(?:[0-9]{2}T)?[0-9]{1,2}(?::[0-9]{2})+"
_WITH_IDS: Final = f"(?:{_BETWEEN}|https?:/|(?:{_UUID}|{_QUEUE_ID})(?:{_BETWEEN}|$)|{_WORD})*"
_PLAIN: Final = f"(?:[_{_MARKS}][A-Za-z]*| (?:= [?$]|[A-Za-z]*))*"
"""Words; and a parameter of a statement, but no word behind its sign."""
_PARTING: Final = r"[\n\r !\"#$'()*,/;<>?\[\]^_\x60{|}~\x{C0}-\x{24F}]*"
_SIX_DIGITS: Final = rf"{_PARTING}(?:[0-9][.]?{_PARTING}){{0,6}}"
"""Between two letters, and no sign behind which so few would be a number (``tel:``, ``wa.me/``)."""
_QUEUE_IDS: Final = (
    rf"(?:[A-Za-z {_MARKS}]"
    rf"|_(?:1[0-9]{{12}}_[0-9]{{0,6}}[a-z][0-9a-z]{{0,11}}[ {_MARKS}]|[A-Za-z {_MARKS}]))*"
)
"""Letters and marks; the numbers of an id of WhatsSelf's queue, ended by a mark."""


_STAND: Final = "[ .()]"
"""May stand between the digits of a number; every other mark and letter below parts them for good."""
_GAP: Final = r"_*!#$^\x60|~\x{C0}-\x{24F}"
"""May stand between a name and its sign."""
_END: Final = r"\n\r\"'?;,<>{}\[\]"
"""Ends a name: only behind these a ``:`` or ``=`` is no sign."""


def _few(count: int) -> str:
    return f"(?:[0-9]{_STAND}*){{0,{count}}}"


def _in_a_row(count: int, then: str = "") -> str:
    """At most *count* digits, and behind so many *then*."""
    return f"(?:[0-9]{_in_a_row(count - 1, then)})?" if count else then


def _day() -> str:
    """The rest of a day behind its year, with a time and what follows."""
    time = "[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.][0-9]{1,7})?)?"
    zone = f"(?:[+-][0-9]{{2}}:[0-9]{{2}}{_STAND}*{_few(3)})?"
    few = f"{_STAND}*{_few(5)}"
    behind = f"[A-SU-Za-z/{_GAP}]{few}|[{_END}][:=]*{few}|{_STAND}+{_few(3)}"
    return f"-[0-9]{{2}}-[0-9]{{2}}(?:T{time}{zone}|{behind})"


def _digits(seen: int, more: str) -> str:
    """What follows *seen* digits in a row: at most five with what may stand between, or in a row, or a day."""
    if seen == _MOST:
        return more
    day = f"|{_day()}" if seen == len("2026") else ""
    return f"(?:[0-9]{_digits(seen + 1, more)}{day}|{_STAND}+{_few(_MOST - seen)})?"


_MOST: Final = 5


def parted() -> str:
    """
    Texts of any length in which at most five digits, or nine in a row, stand together, and no name before its sign.

    What is masked has ten digits in a row, eleven behind a 1, or seven with marks between; only behind a ``/``
    (``wa.me/``), where there are at most five here, six are enough.
    """
    id_of_queue = f"(?:[0-9]{{3}}_{_in_a_row(8)})?"
    number = (
        f"{_STAND}*(?:0{_STAND}*{_few(4)}|1{_digits(1, _in_a_row(5, id_of_queue))}|[2-9]{_digits(1, _in_a_row(4))})?"
    )
    few = f"{_STAND}*{_few(5)}"
    return f"^{number}(?:(?:[A-Za-z{_GAP}]|[{_END}][:=]*){number}|/{few})*$"


def base64() -> str:
    """Base64 without a number in it; what would be a name at its end has no value behind it."""
    behind = "(?:/[0-9]{0,5})*(?:[+][0-9/]{0,5})*"
    return f"^[0-9]{{0,8}}{behind}(?:[A-Za-z][0-9]{{0,8}}{behind})*={{0,2}}$"


NO_NUMBERS: Final = (
    f"^[A-Za-z]*{_PLAIN}(?:[0-9][A-Za-z]*{_PLAIN}){{0,5}}$",
    f"^{_UUID}$",
    "^[0-9a-f]{32}$",
    f"^{_QUEUE_ID}$",
    "^c[a-z0-9]{24}$",
    "^wa[mc]id:[0-9a-f]{24}$",
    "^[0-9a-f]{33}[0-9a-f]*$",
    f"^{_SIX_DIGITS}(?:-?[A-Za-z]{_SIX_DIGITS})*$",
    f"^{_QUEUE_IDS}(?:[0-9]{_QUEUE_IDS}){{0,5}}$",
    parted(),
    base64(),
    f"^{_WITH_IDS}(?:[0-9]{_WITH_IDS}){{0,5}}$",
)
"""
Texts in which no expression of digits can match, nor one of names before ``=`` and ``:``: few digits between two
letters or in all, and nothing that may hide or announce a number; and ids that stay whole, whatever their digits look
like.

All but the last leave one way to read on at each character, which Go runs several times as fast as others.
"""
_RUN: Final = "[A-Za-z0-9]{1,16}"
_ALONE: Final = r"\n\r.,;/_?!()\[\]{}*$#%&|+~>^\\\x{C0}-\x{24F}"
_SEPARATOR: Final = f"[ {_ALONE}]"
_RUNS: Final = f"(?:{_RUN}(?:-{_RUN})*)?"
NO_SIGNS: Final = (
    f"^{_RUNS}(?:(?: (?:= [?$])?|[{_ALONE}]){_RUNS})*$",
    "^c[a-z0-9]{24}$",
    "^[0-9a-f]{32}$",
    rf"^(?:{_SEPARATOR}|{_RUN}(?:{_SEPARATOR}|-| = [?$]|$)|https?:/|{_CLOCK}|[0-9]{{1,3}}:[0-9]{{2,5}})*$",
)
"""
Texts without a sign of names with values or of an option, and without a word as long as a token or base64.

As above, all but the last leave one way to read on.
"""


_STEP: Final = "[A-Za-z0-9{}_.-]{1,4}"
_STRETCH: Final = "[A-Za-z{}_.-]{1,16}"
LABELS: Final = (
    "^[A-Za-z]{1,16}(?:[-_.](?:[A-Za-z]{1,16}|[0-9]{1,5}))*$",
    "^[0-9]{1,5}$",
    f"^(?:/{_STEP}/{_STRETCH})*(?:/{_STEP})?$",
    f"^/?{_STRETCH}(?:/{_STEP}/{_STRETCH})*(?:/{_STEP})?$",
)
"""
What a metric's attribute mostly is: a few words, a number, a route. None is a sign, or what a word announces in plain
text: a long part of a route, which may be `token`, is followed by a short one only.
"""


def processors() -> dict[str, dict[str, list[tuple[str, str]]]]:
    """Every processor with its lists of expressions, each with its description."""
    fixed = list(patterns.fixed_words())
    plain = [each for each in fixed if patterns.is_plain(each)]
    announced = _listed("What a word announces in plain text", (*plain, digits.letterhead()))
    signs = [
        *_listed("What a fixed word announces", (each for each in fixed if each not in plain)),
        ("", patterns.HEADER),
        ("Credentials of a URL", r"://[^\s/:@]*:[^\s/]+@"),
        ("An id of the Cloud API that is not a value by itself", r"wa[mc]id[.][A-Za-z0-9+/_-]{8,}={0,2}"),
        ("", r"HBg[H-P][A-Za-z0-9+/_-]{16,}={0,2}"),
        *_listed("Names with their values in data", patterns.in_data()),
        *_listed("Digits and text in base64", (digits.base64_of_digits(), digits.base64_of_text())),
    ]
    in_text = _listed("Names with their values in text", (*patterns.in_text(), patterns.behind_tab()))
    return {
        "redaction/keys": {
            "ignored_key_patterns": _listed("", [patterns.harmless_names()]),
            "blocked_key_patterns": _listed("", patterns.attribute_names()),
        },
        "redaction/words": {"blocked_values": announced},
        "redaction/pairs": {"allowed_values": _listed("", NO_SIGNS), "blocked_values": [*announced, *signs]},
        # For metrics, in place of the two above: one look at a value, with the list of the one before.
        "redaction/labels": {"allowed_values": _listed("", LABELS), "blocked_values": []},
        "redaction/numbers": {
            "allowed_values": _listed("", NO_NUMBERS),
            "blocked_values": [*in_text, *digits.numbers()],
        },
    }


def _listed(meaning: str, expressions: Iterable[str]) -> list[tuple[str, str]]:
    return [(meaning, ""), *(("", each) for each in expressions)]


def config() -> str:
    """The file."""
    return _HEAD + "\n".join("".join(_processor(name, lists)) for name, lists in processors().items())


_ANCHORS: Final = {("redaction/pairs", "blocked_values"): " &signs", ("redaction/labels", "blocked_values"): " *signs"}


def _processor(name: str, lists: dict[str, list[tuple[str, str]]]) -> Iterator[str]:
    yield f"  {name}:\n{_SETTINGS}"
    for key, expressions in lists.items():
        yield f"    {key}:{_ANCHORS.get((name, key), '')}\n"
        yield from _expressions(expressions)
    if name == "redaction/keys":
        yield f"    # {KNOWN_KEYS_NOTE}\n    ignored_keys:\n"
        yield from (f"      - {key}\n" for key in KNOWN_KEYS)


KNOWN_KEYS_NOTE: Final = (
    "Of these no expression says anything: a look into a table. What they hold is read by those below."
)


def _expressions(expressions: Iterable[tuple[str, str]]) -> Iterator[str]:
    for meaning, expression in expressions:
        if meaning:
            yield f"      # {meaning}.\n"
        if expression:
            escaped = expression.replace("'", "''").replace("$", "$$")
            yield f"      - '{escaped}'\n"


if __name__ == "__main__":
    sys.exit(write_or_check(__doc__, {CONFIG: config()}, None))
