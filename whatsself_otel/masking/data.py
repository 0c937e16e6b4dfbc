"""
Data inside a text: JSON, Python's and Node's representations, JSON in strings, calls, header pairs, arguments.

One pass of tokens follows brackets and quotes and carries the rule of a name to the matching end. What is never closed
is masked to the end of the text. A string that holds data is read as data again, to a depth of three. Reading takes
time in proportion to the text: a token is looked at once a depth.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from whatsself_otel.masking.keys import NO_PLAN, PAIR_NAMES, PAIR_VALUES, SECRET_PLAN

if TYPE_CHECKING:
    from collections.abc import Callable

    from whatsself_otel.masking.keys import KeyPlan, KeyRules

MAX_NESTED: Final = 3
"""Data in strings is read this deep; deeper data is replaced."""
_MAX_BRACKETS: Final = 64
_KEY_CHARS: Final = 64

BEHIND_OPENING: Final = r"(?!masked:)(?=\s{0,200}+(?:[bruBRU]{0,2}[\"'\\]|[{\[(]|[\w.$-]{1,64}+ ?[=:]))"
OPENING: Final = re.compile(r"[{\[(]" + BEHIND_OPENING)
"""A bracket behind which data may begin."""
_TOKEN: Final = re.compile(
    r"(?P<mask>\[masked:[a-z0-9_]{1,40}\])|[bruBRU]{0,2}(?:\"(?P<double>(?:[^\"\\]|\\[\s\S])*+)\"|'(?P<single>(?:[^'\\]|\\[\s\S])*+)')"
    r"|(?P<open>[{\[(])|(?P<close>[}\])])|(?P<comma>,)|(?P<link>=>|[:=])"
    r"|(?P<word>[^\s{}\[\]():=,\"']+(?:'\w+)*+)|(?P<stray>[\"'])"
)
_LINK_AHEAD: Final = re.compile(r"\s{0,16}+(?:=>|[:=])")
_ITEM_AHEAD: Final = re.compile(r"\s{0,16}+(?:[bru]{0,2}[\"'{\[(}\])]|[\w.$-]{1,64}+\s?[=:]|\Z)")
_KEY_BEFORE: Final = re.compile(r"([\w.$-]{0,63}\w)[\"'`]?\\{0,3}[\"'`]?\s{0,2}(?:=>|[:=]{1,2})\s{0,2}$")
_HOLDS_DATA: Final = re.compile(r"[{\[(]\s{0,200}+\\{0,7}[\"'{\[(]|[{(]\w{1,64}+[=:]")
_ESCAPE: Final = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|([\s\S]))")
_CLOSERS: Final = {"{": "}", "[": "]", "(": ")"}
_NOTHING: Final = frozenset({"None", "null", "nil", "undefined", "True", "False", "true", "false", "nan", "NaN"})
_NAMES: Final = frozenset(PAIR_NAMES)
_VALUES: Final = frozenset(PAIR_VALUES)
_LETTERS: Final = {"n": "\n", "r": "\r", "t": "\t", "f": "\n", "v": "\n", "b": "\b", "0": "\0"}


class Value(NamedTuple):
    """A value under a name with a rule, in positions of the text."""

    start: int
    end: int
    plan: KeyPlan
    is_quoted: bool
    is_loose: bool
    """Whether its name stood unquoted before a colon, as words do in prose."""


class Data(NamedTuple):
    """What one text holds as data."""

    values: list[Value]
    links: set[int]
    """Positions of the colons and equals signs of data: no pair begins at them."""


class _Frame:
    """One open bracket."""

    __slots__ = (
        *("bare_end", "bare_start", "closer", "is_loose", "key", "key_plan", "name", "option", "plan", "strings"),
        *("piece", "type_name", "values"),
    )

    def __init__(self, closer: str, plan: KeyPlan) -> None:
        self.closer = closer
        self.plan = plan
        """The plan of items here that have no rule themselves."""
        self.key: str | None = None
        self.key_plan = plan
        self.is_loose = False
        self.bare_start = -1
        self.bare_end = -1
        self.strings: list[tuple[int, int]] | None = []
        """The items of a list while they are all strings: two may be a header and its value."""
        self.name: tuple[int, int, int] | None = None
        self.values: list[tuple[int, int]] = []
        self.type_name = ""
        self.piece = -1
        """Where the string before, under the same name, was put: Python writes long ones in pieces."""
        self.option: KeyPlan | None = None


def read_data(text: str, plan: Callable[[str], KeyPlan], key_rules: KeyRules) -> Data:
    """Return every value of data in *text* whose name has a rule."""
    reader = _Reader(text, plan, key_rules, depth=0)
    reader.read()
    return Data([value for value in reader.values if value is not None], reader.links)


class _Reader:
    """One text, or one string inside it with its escapes undone."""

    def __init__(self, text: str, plan: Callable[[str], KeyPlan], key_rules: KeyRules, depth: int) -> None:
        self._text = text
        self._plan = plan
        self._key_rules = key_rules
        self._depth = depth
        self.values: list[Value | None] = []
        self.links: set[int] = set()

    def read(self) -> None:
        """Read every region of data."""
        at = 0
        while (opening := OPENING.search(self._text, at)) is not None:
            at = self._region(opening.start())

    def _region(self, at: int) -> int:
        """Read from the bracket at *at* to the one that closes it; return where to go on."""
        text = self._text
        if _starts_escaped(text, at):
            self._nested(at, len(text))
            return len(text)
        before = _KEY_BEFORE.search(text, max(0, at - 80), at)
        outer = NO_PLAN if before is None else self._plan(before[1])
        frames = [_Frame(_CLOSERS[text[at]], outer.inner())]
        for token in _TOKEN.finditer(text, at + 1):
            end = self._token(frames, token)
            if end:
                return end
        while frames:
            self._end(frames.pop())
        return len(text)

    def _token(self, frames: list[_Frame], token: re.Match[str]) -> int:
        """Read one token; return where the region ends, or 0 if it goes on."""
        frame = frames[-1]
        kind = token.lastgroup or ""
        if kind in _STRINGS:
            self._string(frame, token.start(kind), token.end(kind), token.end())
        elif kind in _WORDS:
            self._word(frame, token.start(), token.end(), may_be_key=kind == "word")
        elif kind == "link":
            self._link(frame, token)
        elif kind == "comma":
            self._comma(frame, token.end())
        elif kind == "open":
            self._open(frames, token[0])
        elif kind == "close":
            self._close(frames, token[0])
            return 0 if frames else token.end()
        elif self._stray(frame, token.end()):
            return len(self._text)
        return 0

    # -- tokens -------------------------------------------------------------------------------------------------------

    def _string(self, frame: _Frame, start: int, end: int, after: int) -> None:
        text = self._text
        if frame.key is None and _LINK_AHEAD.match(text, after):
            self._set_key(frame, text[start:end], is_quoted=True, is_equals=False)
            return
        if frame.key is None:
            self._item(frame, start, end)
        else:
            self._member(frame, start, end)

    def _item(self, frame: _Frame, start: int, end: int) -> None:
        """A string of a list: an item, one of a pair, an option or its value."""
        value = self._text[start:end]
        if frame.strings is not None:
            frame.strings.append((start, end))
        option, frame.option = frame.option, None
        if option is not None:
            self._take(option, start, end, is_quoted=True)
        elif value.startswith("-") and "=" not in value:
            plan = self._plan(value.lstrip("-"))
            frame.option = plan if plan.rule is not None and not plan.ambiguous else None
        else:
            self._value(frame, start, end)

    def _member(self, frame: _Frame, start: int, end: int) -> None:
        """A string under a name."""
        name = (frame.key or "").lower()
        if name in _NAMES and frame.name is None:
            frame.name = (start, end, len(self.values))
        elif name in _VALUES:
            frame.values.append((start, end))
        elif name == "type":
            frame.type_name = self._text[start:end]
        self._value(frame, start, end)

    def _value(self, frame: _Frame, start: int, end: int) -> None:
        plan = frame.key_plan
        if plan.rule is not None:
            if plan.spared is not None and frame.piece >= 0:  # one of several pieces is not the whole value
                plan = frame.key_plan = plan._replace(spared=None)
                first = self.values[frame.piece]
                self.values[frame.piece] = first and first._replace(plan=plan)
            frame.piece = len(self.values)
            self._take(plan, start, end, is_quoted=True, is_loose=frame.is_loose)
        elif end - start > 2 and _HOLDS_DATA.search(self._text, start, end):
            self._nested(start, end)

    def _word(self, frame: _Frame, start: int, end: int, *, may_be_key: bool) -> None:
        if frame.bare_start >= 0:
            frame.bare_end = end
            return
        frame.strings = None
        link = _LINK_AHEAD.match(self._text, end) if may_be_key and frame.key is None else None
        if link is not None:
            self._set_key(frame, self._text[start:end], is_quoted=False, is_equals="=" in link[0])
        else:
            frame.bare_start, frame.bare_end = start, end

    def _set_key(self, frame: _Frame, key: str, *, is_quoted: bool, is_equals: bool) -> None:
        key = key[:_KEY_CHARS] if is_quoted else key.lstrip("-*&@")
        frame.key = key
        frame.strings = None
        own = self._plan(key)
        frame.key_plan = self._key_rules.child(frame.plan, key, own)
        frame.is_loose = not is_quoted and not is_equals

    def _link(self, frame: _Frame, token: re.Match[str]) -> None:
        self.links.add(token.start())
        if frame.bare_start >= 0:
            frame.bare_end = token.end()

    def _comma(self, frame: _Frame, after: int) -> None:
        if frame.bare_start >= 0:
            is_prose = frame.key is not None and frame.key_plan.rule in {"body", "name"}
            if is_prose and not _ITEM_AHEAD.match(self._text, after):
                return  # a comma of what somebody wrote
            self._flush(frame)
        frame.key = None
        frame.key_plan = frame.plan
        frame.is_loose = False
        frame.piece = -1

    def _open(self, frames: list[_Frame], bracket: str) -> None:
        frame = frames[-1]
        if frame.bare_start < 0:
            frame.strings = None
        if len(frames) < _MAX_BRACKETS:
            frames.append(_Frame(_CLOSERS[bracket], frame.key_plan.inner()))

    def _close(self, frames: list[_Frame], bracket: str) -> None:
        if all(frame.closer != bracket for frame in frames):
            if frames[-1].bare_start >= 0:
                frames[-1].bare_end += 1
            return
        while True:
            frame = frames.pop()
            self._end(frame, parent=frames[-1] if frames else None)
            if frame.closer == bracket:
                return

    def _stray(self, frame: _Frame, after: int) -> bool:
        """Return whether a quote that is never closed hides the rest."""
        if frame.key is not None and frame.key_plan.rule is not None and not frame.is_loose:
            self._take(frame.key_plan, after, len(self._text), is_quoted=True)
            return True
        if frame.bare_start >= 0:
            frame.bare_end = after
        return False

    # -- ends ---------------------------------------------------------------------------------------------------------

    def _flush(self, frame: _Frame) -> None:
        start, end = frame.bare_start, frame.bare_end
        frame.bare_start = frame.bare_end = -1
        plan = frame.key_plan
        if start < 0 or plan.rule is None:
            return
        shown = self._text[start:end]
        is_number = shown.replace(".", "", 1).lstrip("-").isdigit()
        if shown in _NOTHING or (is_number and (plan.numbers_pass or plan.numbers_read)):
            return
        self._take(plan, start, end, is_quoted=False, is_loose=frame.is_loose)

    def _end(self, frame: _Frame, parent: _Frame | None = None) -> None:
        self._flush(frame)
        text = self._text
        if frame.strings is not None and len(frame.strings) == 2 and frame.closer != "}":
            (start, end), value = frame.strings
            plan = self._plan(text[start:end])
            in_list = parent is not None and parent.closer != "}" and parent.key is None
            if plan.rule is not None and not plan.ambiguous and (plan.rule == "secret" or in_list):
                self._take(plan, *value, is_quoted=True)
        if frame.name is not None and frame.values:
            start, end, index = frame.name
            plan = self._plan(text[start:end])
            if plan.rule is not None:
                if index < len(self.values):
                    taken = self.values[index]
                    self.values[index] = None if taken is not None and taken.start == start else taken
                for value in frame.values:
                    self._take(plan, *value, is_quoted=True)
        if frame.type_name == "Buffer" and frame.values:
            for value in frame.values:
                self._take(SECRET_PLAN, *value, is_quoted=True)

    def _take(self, plan: KeyPlan, start: int, end: int, *, is_quoted: bool, is_loose: bool = False) -> None:
        if end > start:
            self.values.append(Value(start, end, plan, is_quoted, is_loose))

    def _nested(self, start: int, end: int) -> None:
        """Read the data that a string holds, with the escapes of that string undone."""
        if self._depth >= MAX_NESTED:
            self._take(_TOO_DEEP, start, end, is_quoted=True)
            return
        inner, starts = unescaped(self._text, start, end)
        reader = _Reader(inner, self._plan, self._key_rules, self._depth + 1)
        reader.read()
        self.values += [
            value._replace(start=starts[value.start], end=starts[value.end])
            for value in reader.values
            if value is not None
        ]
        self.links.update(starts[link] for link in reader.links)


_TOO_DEEP: Final = NO_PLAN._replace(rule="depth")


def _starts_escaped(text: str, at: int) -> bool:
    """Return whether the data at *at* is the inside of a string whose beginning is not here."""
    first = at + 1
    while text[first : first + 1] in _INSIDE:
        first += 1
    return text[first : first + 1] == "\\" and text[first : first + 9].lstrip("\\")[:1] in _QUOTES


_STRINGS: Final = frozenset({"double", "single"})
_WORDS: Final = frozenset({"word", "mask"})
_QUOTES: Final = frozenset("\"'")
_INSIDE: Final = frozenset(" {[(")


def unescaped(text: str, start: int, end: int) -> tuple[str, list[int]]:
    """Return a part of *text* with one layer of escapes undone, and where each of its characters and its end were."""
    chars: list[str] = []
    starts: list[int] = []
    done = start
    for escape in _ESCAPE.finditer(text, start, end):
        at = escape.start()
        chars.append(text[done:at])
        starts.extend(range(done, at))
        chars.append(_character(escape))
        starts.append(at)
        done = escape.end()
    chars.append(text[done:end])
    starts.extend(range(done, end + 1))
    return "".join(chars), starts


def _character(escape: re.Match[str]) -> str:
    code = escape[1] or escape[2]
    if code:
        return chr(int(code, 16))
    return _LETTERS.get(escape[3], escape[3])
