"""
The masking rules as expressions of RE2, which has no look-around, for the collector.

Everything here is made from ``whatsself_otel.masking``: its table of names, its fixed words, its number plans. A
function returns expressions; what they cannot say is a row of docs/masking.md.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from whatsself_otel.masking import literals
from whatsself_otel.masking.keys import (
    CONTENT_KEYS,
    CONTENT_PARENTS,
    HARMLESS_ENDINGS,
    KEY_RULES,
    PAIR_NAMES,
    PAIR_VALUES,
    PARAMETER_PREFIXES,
    PLACES,
    PROSE_ENDINGS,
    PROSE_OWNERS,
    SEARCH_PARAMETERS,
    TECHNICAL_TIMES,
    TECHNICAL_VALUES,
    TELEMETRY_NAMESPACES,
    KeyRule,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

TECHNICAL_ELSEWHERE: Final = frozenset({"name", "names", "message", "messages", "input", "prompt", "notify"})
"""Whole names that other senders use for their own attributes. There, detectors read the values."""
_DEPTH: Final = 4
_LEVELS: Final = 3

# -- names ------------------------------------------------------------------------------------------------------------


def any_of(words: Iterable[str]) -> str:
    """An alternative of the expressions *words*."""
    return "|".join(sorted(set(words)))


def snake(names: Iterable[str], part: str = "[_ -]?") -> str:
    """*names* with whatever parts their words."""
    return any_of(name.replace("_", part) for name in names)


def camel(names: Iterable[str]) -> str:
    """*names* as they stand behind another word: ``customerPhone``."""
    return any_of("".join(word.title() for word in name.split("_")) for name in names)


Word = tuple[str, ...]
"""A word as the characters at each of its places, inside a class: most have one, of a time some have ten."""


def no_word_of(words: Collection[str | Word], *, first: str = "a-z", rest: str = "[a-z]*") -> str:
    """
    Every word but *words*.

    Args:
        words: In lower case.
        first: The characters of a word, inside a class.
        rest: What may follow the first character that none of *words* has there.
    """
    return _but({tuple(word) for word in words}, (), first, rest)


def _but(words: Collection[Word], begun: Word, first: str, rest: str) -> str:
    size = len(begun)
    longer = sorted({word[size] for word in words if word[:size] == begun and len(word) > size})
    others = _class_without(first, longer)
    branches = [f"{others}{rest}"]
    branches += [_one_of(chars) + _but(words, (*begun, chars), first, rest) for chars in longer]
    if begun and begun not in words:
        branches.append("")
    return f"(?:{'|'.join(branches)})"


def _one_of(chars: str) -> str:
    return f"[{chars}]" if len(chars) > 1 else re.escape(chars)


def _written(word: Word) -> str:
    return "".join(map(_one_of, word))


_TIMES: Final = [tuple(PLACES.get(char, char) for char in form) for form in TECHNICAL_TIMES]


def _class_without(chars: str, left_out: list[str]) -> str:
    if chars.startswith("^"):
        return f"[{chars}{''.join(each if len(each) > 1 else _in_class(each) for each in left_out)}]"
    letters = "".join(char for char in _LETTERS if char not in left_out)
    return "[" + "".join(run if len(run) < 4 else f"{run[0]}-{run[-1]}" for run in _runs(letters)) + "]"


def _runs(letters: str) -> Iterator[str]:
    start = 0
    for at in range(1, len(letters) + 1):
        if at == len(letters) or ord(letters[at]) != ord(letters[at - 1]) + 1:
            yield letters[start:at]
            start = at


_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"


def _in_class(char: str) -> str:
    return f"\\{char}" if char in r"\^]-" else char


_NOT_HARMLESS: Final = no_word_of(HARMLESS_ENDINGS)


def _begun_by(first: str, words: Collection[str]) -> str:
    """Every word but *words*, its first letter written as *first* has the small and the capital one."""
    known = {*map(tuple, words)}
    branches = (first.format(each, each.upper()) + _but(known, (each,), "a-z", "[a-z]*") for each in _LETTERS)
    return f"(?:{'|'.join(branches)})"


_NOT_HARMLESS_CAMEL: Final = _begun_by("{1}", {*HARMLESS_ENDINGS, *_LETTERS})


def strict(rules: Iterable[KeyRule]) -> list[str]:
    """Words of which one is enough."""
    return [word for rule in rules for word in rule.strict if "_" not in word]


def exact(rules: Iterable[KeyRule]) -> list[str]:
    """Names that a name may end in."""
    return [name for rule in rules for name in (*rule.exact, *(word for word in rule.strict if "_" in word))]


def qualified(rules: Iterable[KeyRule]) -> list[str]:
    """The same, but for names of telemetry."""
    return [f"{owner}_{word}" for rule in rules for word, before in rule.qualified for owner in before.split()]


def whole(rules: Iterable[KeyRule]) -> list[str]:
    """Names that are masked where nothing else stands with them."""
    return [name for rule in rules for name in rule.outside_telemetry]


def name_of(
    rules: Collection[KeyRule], *, stop: str = "", start: str = "", anywhere: bool = False, is_attribute: bool = False
) -> str:
    """
    The end of a name of *rules*.

    Args:
        rules: Whose names.
        is_attribute: Whether names that telemetry uses too are left to another expression.
        anywhere: Whether a strict word may have words behind it, the last of which is no harmless one.
        stop: Characters that end a name, inside a class.
        start: What may stand before it; empty: anything.
    """
    gap, part = f"[^A-Za-z.{stop}]", "[_-]?" if r"\s" in stop else "[_ -]?"
    before = f"(?:{start}[^A-Za-z{stop}])?" if start else "(?:^|[^A-Za-z])"
    behind = f"{start}[a-z0-9]" if start else "[a-z0-9]"
    words, ends = strict(rules), [*exact(rules), *([] if is_attribute else qualified(rules))]
    if not anywhere:
        return _last([*words, *ends], before, behind, gap, part)
    snakes = f"(?:{gap}*|{gap}(?:[^.{stop}]*{gap})?(?i:{_NOT_HARMLESS}){gap}*)"
    camels = f"(?:[A-Z0-9][^.{stop}]*)?{_NOT_HARMLESS_CAMEL}[0-9]*"
    begun = any_of([*words, *(word.title() for word in words)])
    # Go goes as many ways at once as there are beginnings: each list stands once behind each of the two.
    return (
        f"(?:{before}(?:(?i:{snake(words, part)}){snakes}|(?:{begun}){camels}|(?i:{snake(ends, part)}){gap}*)"
        f"|{behind}(?:(?:{camel(words)})(?:{snakes}|{camels})|(?:{camel(ends)}){gap}*))"
    )


def _last(names: list[str], before: str, behind: str, gap: str, part: str = "[_ -]?") -> str:
    return f"(?:{before}(?i:{snake(names, part)})|{behind}(?:{camel(names)})){gap}*"


def attribute_names() -> list[str]:
    """Expressions that match the blocked names of attributes."""
    alone = snake(name for name in whole(KEY_RULES) if name not in TECHNICAL_ELSEWHERE)
    other = no_word_of(TELEMETRY_NAMESPACES, first="^.", rest="[^.]*")
    dotted = f"(?i:{other}\\.(?:.*\\.)?|http\\.(?:request|response)\\.header\\.)"
    last = _last(qualified(KEY_RULES), "(?:[^.]*[^A-Za-z.])?", "[^.]*[a-z0-9]", "[^A-Za-z.]")
    full = any_of(map(re.escape, CONTENT_KEYS))
    return [
        f"^(?:{full})$",
        f"^(?:{any_of(map(re.escape, PARAMETER_PREFIXES))})",
        f"{name_of(KEY_RULES, anywhere=True, is_attribute=True)}$",
        f"^(?:{dotted}(?i:{snake(whole(KEY_RULES))})[^A-Za-z.]*|(?i:{alone})[^A-Za-z.]*|{dotted}?(?:{last}))$",
    ]


def harmless_names() -> str:
    """
    Names of attributes without a word of any rule, which no expression above can match.

    Words are lower case, parted by digits and marks. Of a name of several words one word is enough to be asked further;
    written as one, they are one word. A word that begins as one of these does is asked further too: that is shorter.
    """
    single = {*strict(KEY_RULES), *whole(KEY_RULES), *(name for rule in KEY_RULES for name in rule.phrases), "key"}
    words = set(single)
    for name in (*CONTENT_KEYS, *PARAMETER_PREFIXES, *exact(KEY_RULES), *qualified(KEY_RULES)):
        parts = re.split(r"[._]+", name.strip("."))
        telling = next((at for at, part in enumerate(parts) if part in single), 0)
        ends = range(telling + 1, len(parts) + 1)
        words |= {"".join(parts[start:end]) for start in range(telling + 1) for end in ends}
    written = {found[0] for each in words if (found := re.match("[a-z]+", each))}
    return f"^[0-9._/:-]*(?:{_but_starts(written)}(?:[0-9._/:-]+|$))*$"


_START: Final = 6
"""How many letters of a word are looked at."""


def _but_starts(words: Collection[str], begun: str = "") -> str:
    """Every word but *words* and those that begin as a longer one of them does."""
    longer = sorted({word[len(begun)] for word in words if word.startswith(begun) and len(word) > len(begun)})
    branches = [f"{_class_without('a-z', longer)}[a-z]*"]
    branches += [char + _but_starts(words, begun + char) for char in longer if len(begun) + 1 < _START]
    if begun and begun not in words:
        branches.append("")
    return f"(?:{'|'.join(branches)})"


# -- values -----------------------------------------------------------------------------------------------------------


def _string(quote: str, level: int) -> str:
    """A string in *level* strings of data: its quotes have 2**level - 1 backslashes."""
    if level == 0:
        return rf"{quote}(?:[^{quote}\\]|\\[\s\S])*{quote}"
    mark, inner = "\\\\" * (2**level - 1), "\\\\" * (2 ** (level + 1) - 1)
    return rf"{mark}{quote}(?:[^{quote}\\]|\\+[^{quote}\\]|{inner}{quote})*{mark}{quote}"


STRING: Final = (
    "[bruBRU]{0,2}(?:"
    + "|".join(
        [_string('"', level) for level in range(_LEVELS + 1)] + [_string("'", level) for level in range(_LEVELS)]
    )
    + ")"
)
"""A string, in data or in strings of data."""


def _container(depth: int) -> str:
    inner = f"|{_container(depth - 1)}" if depth else ""
    return rf"[\w.]*[\[{{(](?:{STRING}|[^\"'\\\[\]{{}}()]|\\+[^\"'\\]{inner})*[\]}})]"


CONTAINER: Final = _container(_DEPTH - 1)
"""Brackets and their content, to a limited depth."""
TO_THE_END: Final = r"[\s\S]*"
_BARE: Final = r"<[^>]*>|[^\s,;}\])\"'\[{(\\]+"
_GAP: Final = r"(?:\s|\\+[nrt])"
VALUE: Final = rf"(?:{STRING}(?:{_GAP}+{STRING})*|{CONTAINER}|{_BARE}|{TO_THE_END})"
"""The value after a name, or the rest of the text if the value's end cannot be found."""
_LINK: Final = rf"{_GAP}*(?::|=>|=){_GAP}*"


def in_data() -> Iterator[str]:
    """Names with their values in JSON, in what Python and Node print, and in strings of such data."""
    for quote in "\"'":
        stop, start = rf"\\{quote}", rf"[^\\{quote}]*"
        end, item = rf"\\{{0,7}}{quote}{_LINK}", rf"\\{{0,7}}{quote}"
        secret = f"(?:{name_of(SECRETS, stop=stop, start=start)}|(?i:{snake(whole(SECRETS))}))"
        name = name_of(KEY_RULES, stop=stop, start=start)
        yield (
            rf"{quote}(?i:{any_of(PAIR_NAMES)}){end}{item}(?:{name}|(?i:auth)){item}"
            rf"\s*,\s*{item}(?i:{any_of(PAIR_VALUES)}){end}{VALUE}"
        )
        yield rf"{quote}(?:--?)?{secret}{item}\s*,\s*{STRING}"
        yield rf"{quote}type{end}{item}Buffer{item}\s*,\s*{item}data{end}{VALUE}"
        yield rf"{quote}data{end}(?:{STRING}|\[[^\]]*\])\s*,\s*{item}type{end}{item}Buffer"
        yield f"{quote}(?:{'|'.join(_members(quote, stop, start, end))})"


def _members(quote: str, stop: str, start: str, end: str) -> Iterator[str]:
    yield f"{name_of(KEY_RULES, stop=stop, start=start, anywhere=True)}{end}{VALUE}"
    ambiguous = whole(KEY_RULES)
    yield f"(?i:{snake(ambiguous)})[0-9]*{end}{_unless_technical(quote)}"
    timeless = [name for rule in KEY_RULES if rule.rule != "phone" for name in rule.outside_telemetry]
    yield f"(?i:{snake(timeless)})[0-9]*{end}{quote}(?i:{any_of(map(_written, _TIMES))}){quote}"
    phrases = [name for rule in KEY_RULES for name in rule.phrases]
    yield f"(?i:{snake(phrases)}){end}(?:{_with_words(quote)}|{CONTAINER})"
    yield f"(?i:{any_of(PROSE_OWNERS)})[_-]?(?i:{any_of(PROSE_ENDINGS)}){end}{_with_words(quote, 2)}"
    yield rf"(?i:{snake(CONTENT_PARENTS)}){end}(?:{CONTAINER}|[\[{{]{TO_THE_END})"


def _unless_technical(quote: str) -> str:
    stop = rf"{quote}\\"
    words = [*(tuple(value.lower()) for value in TECHNICAL_VALUES), *_TIMES]
    text = no_word_of(words, first=f"^{stop}", rest=rf"(?:[^{stop}]|\\[\s\S])*")
    escaped = "|".join(_string(quote, level) for level in range(1, _LEVELS + 1))
    other = "'" if quote == '"' else '"'
    return (
        rf"(?:[bru]{{0,2}}{quote}(?i:{text}){quote}(?:{_GAP}+{STRING})*"
        rf"|{quote}(?:[^{stop}]|\\[\s\S])*\\[\s\S](?:[^{stop}]|\\[\s\S])*{quote}"
        rf"|{escaped}|{_string(other, 0)}|{CONTAINER}|-?[0-9][0-9.]*|[\[{{]{TO_THE_END})"
    )


def _with_words(quote: str, more: int = 1) -> str:
    plain = rf"(?:[^{quote}\\]|\\[\s\S])*"
    marks = ("\\\\" * (2**level - 1) for level in range(_LEVELS + 1))
    return (
        "(?:"
        + "|".join(rf"{mark}{quote}(?:[^{quote}\\]*[^a-z0-9_.:/{quote}\\-]){{{more}}}{plain}{quote}" for mark in marks)
        + ")"
    )


SECRETS: Final = [rule for rule in KEY_RULES if rule.rule in {"secret", "qr"}]
_WRITTEN: Final = [rule for rule in KEY_RULES if rule.rule in {"body", "name"}]
_WORDS: Final = [rule for rule in KEY_RULES if rule not in _WRITTEN]
# Quoted without escapes: what follows a quote to the next one, and holds no =, belongs to it.
_LOOSE: Final = (
    "(?:"
    + "|".join(
        rf"\\{{0,3}}{quote}[^{quote}]*{quote}(?:[^{quote}=]*{quote})*|\\{{0,3}}{quote}{TO_THE_END}" for quote in "\"'"
    )
    + ")"
)
_REST: Final = r"(?:[^=&]*\z|[^=&]*\s[^=&]*&|[^=&]*\s|[^\s=&]+)"
"""What somebody wrote, to the next pair."""
_SIGN: Final = r"[ ]{0,2}(?::=|=>|==?|:)[ ]{0,2}"


HEADER: Final = r"(?i)(?:authorization|cookie)[ ]{0,2}[:=][ ]{0,2}[^\n\"']+"
"""A header to the end of its line, whatever its name begins with."""


def in_text() -> Iterator[str]:
    """``key=value`` and ``key: value`` in prose, in lines of logfmt, in URLs and forms."""
    stop = r"\s\"'=:&?;,()<>{}\[\]"
    data = rf"{_LOOSE}|{CONTAINER}|[\[{{]{TO_THE_END}"
    alone = snake(name for name in whole(_WRITTEN) if name not in TECHNICAL_ELSEWHERE)
    secret = any_of(name for name in whole(SECRETS) if name != "auth")
    yield rf"(?:{name_of(_WORDS, stop=stop)}|(?:^|[^\w.-])(?i:{secret})){_SIGN}(?:{data}|[^\s&\"'<>\[{{]+)"
    yield rf"(?:{name_of(_WRITTEN, stop=stop)}|(?:^|[^\w.-])(?i:{alone})){_SIGN}(?:{data}|=?{_REST})"
    yield rf"[?&](?i:{any_of(SEARCH_PARAMETERS)})=[^&\s\"'<>]+"
    phrases = any_of(name for rule in KEY_RULES for name in rule.phrases)
    yield rf"(?:^|[?&*])(?i:{phrases})=[^&\s\"'<>=]*[+%][^&\s\"'<>]*"


# -- fixed words ------------------------------------------------------------------------------------------------------


def fixed_words() -> Iterator[str]:
    """Expressions that begin with a fixed word: tokens, drivers' errors, contact cards, pairing strings."""
    for literal in literals.LITERALS:
        pattern = re2(literal.pattern.pattern)
        if literal.needles == ("\t",):
            continue
        if literal.needles[0] in _CUT:
            word, lower = _CUT[literal.needles[0]]
            yield from (begin + pattern.split(word, 1)[1] for begin in (lower, lower.upper()))
        elif "sk-" in literal.needles:  # other words end so too: task-, disk-
            yield from (f"(?:^|[^A-Za-z0-9]){each}" if each.startswith("sk-") else each for each in _branches(pattern))
        elif literal.pattern.flags & re.IGNORECASE:
            yield f"(?i){pattern}" if pattern.startswith("/") else f" (?i:{pattern})"
        else:
            yield from _branches(pattern)
    yield r"\[SQL: [\s\S]+?(?:\][\s]*\[parameters|\(Background|\z)"
    stop = r"\\\""
    name = name_of(KEY_RULES, stop=stop, start=r"[^\\\"]*")
    part = r"(?:[^f]|f[^o]|fo[^r]|for[^m]|form[^-])*"
    quote = r"\\{0,7}\""
    yield rf"form-data; name={quote}(?:{name}|(?i:{snake(whole(KEY_RULES))})){quote}{part}"
    yield rf"; filename={quote}[^\"]*\""


_IN_PLAIN: Final = ("earer", "EARER", "asic", "ASIC", "(?i)/", "ow contains", "key value", "000201")


def is_plain(expression: str) -> bool:
    """Return whether *expression* of a fixed word needs no sign beside its word: it is asked of every text."""
    return expression.startswith(_IN_PLAIN)


def behind_tab() -> str:
    """A secret behind its name and a tab."""
    (literal,) = (each for each in literals.LITERALS if each.needles == ("\t",))
    return f"(?i){re2(literal.pattern.pattern)}".replace(r"\t+", r"(?:\t|\\+t)+")


_CUT: Final = {"earer": ("bearer", "earer"), "asic ": ("basic", "asic")}
_STARTS: Final = (
    (r"[sr]k_", ("sk_", "rk_")),
    (r"\[?parameters", ("parameters",)),
    ("[Rr]ow", ("ow",)),
    (r"(?:Key|Chave) ", ("Key ", "Chave ")),
    ("(?:[ \u2580-\u259f]", ("\u2580(?:[ \u2580-\u259f]", "\u2584(?:[ \u2580-\u259f]", "\u2588(?:[ \u2580-\u259f]")),
)
"""How an expression begins, and how it does with a fixed letter instead: only such a one costs next to nothing."""
_LOOK: Final = (
    r"(?!\[masked)",
    r"(?! ?\[masked)",
    r"(?![A-Za-z0-9])",
    "(?!-)",
    "(?![{:<])",
    r"(?=[\w.~%+-]{0,512}[0-9])",
)
"""Look-arounds that are dropped: they only skip masked text or the middle of a word."""


def re2(pattern: str) -> str:
    """*pattern* of Python as RE2 has it: what looks behind goes, what looks ahead is matched too."""
    for look in _LOOK:
        pattern = pattern.replace(look, "")
    pattern = re.sub(r"\(\?<!\[[^\]]*\]\)", "", pattern)
    pattern = (
        pattern.replace("(?=", "(?:")
        .replace(r"\Z", r"\z")
        .replace(r"\#", "#")
        .replace("\n?", r"(?:\\*\n|\\+n)?")
        .replace("\n", r"\n")
    )
    pattern = re.sub(r"\{([0-9]+),([0-9]{3,})\}", r"{\1,}", pattern)
    if re.search(r"\(\?[!<]", pattern):
        msg = f"{pattern} looks around; say in _LOOK what becomes of that"
        raise ValueError(msg)
    return pattern


def _branches(pattern: str) -> list[str]:
    """The alternatives of *pattern*, each with a fixed beginning."""
    return [begun for branch in _alternatives(pattern) for begun in _begun(branch)]


def _begun(pattern: str) -> list[str]:
    for start, instead in _STARTS:
        if pattern.startswith(start):
            return [begin + pattern[len(start) :] for begin in instead]
    return [pattern]


def _alternatives(pattern: str) -> list[str]:
    if not (pattern.startswith("(?:") and pattern.endswith(")") and pattern.count("(?:") < 8):
        return [pattern]
    parts, depth, last = [], 0, 0
    inner = pattern[3:-1]
    for at, char in enumerate(inner):
        depth += (char in "([") - (char in ")]")
        if depth < 0:
            return [pattern]
        if char == "|" and depth == 0:
            parts.append(inner[last:at])
            last = at + 1
    return [*parts, inner[last:]]
