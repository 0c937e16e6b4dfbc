"""
Search an application's output for personal data.

The rules are those of :mod:`whatsself_otel.masking`, applied to bytes, texts, files, mappings and in-memory telemetry.
Stricter eyes look at what masking leaves: a run of eight digits, base64 around one and a given name are findings too,
unless `ALLOWED` says what they are. What cannot be read is said, and never taken for clean.
"""

from __future__ import annotations

import binascii
import gzip
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from whatsself_otel.masking import Masker, MaskingConfig, token
from whatsself_otel.masking.keys import TECHNICAL_IDS
from whatsself_otel.masking.noise import look
from whatsself_otel.masking.reading import MASKED

_GZIP: Final = b"\x1f\x8b"
_MAX_DEPTH: Final = 40
_PAIR: Final = 2
_WINDOW_CHARS: Final = 100_000
"""Lines that are read together once more, as a value may go over several."""
_ZIP: Final = b"PK\x03\x04"
_LONG_RUN: Final = re.compile(r"[0-9]{8,}")
_CUT_NUMBER: Final = re.compile(r"\+[0-9]{1,3}\*{8}[0-9]{4}(?:[.-][0-9]{3,4}(?![0-9])|[0-9]|(?: [0-9]{2,4}){2})")
_BASE64: Final = re.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{12,4096}={0,2}")
ALLOWED: Final = (
    (
        "a masked phone, a reference, a pseudonym",
        r"\+[0-9]{1,3}\*{8}[0-9]{0,4}(?:-[0-9]{4,16})?|wa[mc]id:[0-9a-f]{24}|p_[0-9a-f]{24}",
    ),
    (
        "a number under the name of an id",
        rf"(?i:{'|'.join(sorted(TECHNICAL_IDS))})_?(?i:ids?)[\"'\\]{{0,4}} ?[=:] ?[\"'\\]{{0,4}}[0-9]+",
    ),
    ("a UUID", r"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}"),
    ("hexadecimal ids and digests", r"(?<![0-9A-Za-z])(?:0x)?(?=[0-9]*[a-fA-F])[0-9a-fA-F]{12,128}(?![0-9A-Za-z])"),
    (
        "ids of 16 to 40 letters and digits",
        r"(?<![0-9A-Za-z])(?=[0-9]{0,11}[A-Za-z])(?=[A-Za-z]{0,11}[0-9])(?![A-Za-z]*[0-9]{10,15}(?![0-9A-Za-z]))[0-9A-Za-z]{16,40}(?![0-9A-Za-z])",
    ),
    ("an id of WhatsSelf's queue", r"msg_1[0-9]{12}_[0-9a-z]{4,12}"),
    ("a group's own id", r"120363[0-9]{10,14}@g\.us"),
    ("an account in an ARN", r"arn:[^\s\"']{1,64}:[0-9]{12}(?![0-9])"),
    (
        "a time",
        r"(?<![0-9])1[4-9][0-9]{8}(?:[0-9]{3}|[0-9]{6}|[0-9]{9})?(?:\.[0-9]+)?(?![0-9])|(?<![0-9])20[1-4][0-9](?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])(?:[0-9]{4}|[0-9]{6})?(?![0-9])|(?<![0-9])(?:0[1-9]|[12][0-9]|3[01])(?:0[1-9]|1[0-2])20[1-4][0-9]{7}(?![0-9])",
    ),
    ("a fraction", r"(?<![0-9])-?[0-9]{1,10}\.[0-9]+(?:[eE][+-]?[0-9]{1,3})?"),
    (
        "a number with a unit or a sign of numbering",
        r"[0-9]+ ?(?:bytes?|octets|ns|us|ms|µs|s|rows?|[kKMG]i?B|B)(?![A-Za-z])|#[0-9]+",
    ),
)
"""What of the things that the stricter eyes see is allowed: its name, and its pattern."""
_ALLOWED: Final = re.compile("|".join(f"(?:{pattern})" for _, pattern in ALLOWED))
_GIVEN_NAMES: Final = re.compile(
    r"(?<![A-Za-zÀ-ÿ])(?:Maria|João|Joao|José|Jose|Antônio|Antonio|Francisco|Carlos|Paulo|Pedro|Lucas|Luiz|Marcos"
    r"|Rafael|Daniel|Marcelo|Bruno|Eduardo|Felipe|Juliana|Mariana|Fernanda|Patrícia|Patricia|Aline|Sandra|Camila"
    r"|Amanda|Bruna|Jéssica|Letícia|Leticia|Júlia|Vanessa|Beatriz|Larissa|Gabriel|Rodrigo|Thiago|Gustavo"
    r"|Ricardo|Fernando|Joana|Joaquim|Joaquina|Teresa|Tereza|Luísa|Helena|Sofia|Isabela|Michael|Jennifer|Jessica"
    r")(?![A-Za-zÀ-ÿ])"
)
_TELEMETRY: Final = frozenset(
    {"resourceSpans", "resourceLogs", "resourceMetrics", "resource_spans", "resource_logs", "resource_metrics"}
)
_A_NAME: Final = "(a name)"
_SDK: Final = "telemetry"
"""The part of a path for data of the SDK: as in OTLP, the application names attributes only."""


@dataclass(frozen=True, slots=True)
class Leak:
    """One personal datum found where none may be."""

    rule: str
    """The class: phone, jid, email, body, secret, ..., or canary."""
    place: str
    """Line and path of names, such as ``line 3: resourceSpans.0.name``."""

    def __str__(self) -> str:
        return f"{self.rule} at {self.place}"


@dataclass(frozen=True, slots=True)
class Report:
    """The findings of an audit, and how much it has read."""

    leaks: list[Leak]
    texts: int
    """Texts and numbers that were read."""
    characters: int
    unreadable: list[str]
    """What could not be read, and why: nothing is known about it."""


class PiiError(AssertionError):
    """Personal data was found; :attr:`leaks` says where."""

    def __init__(self, leaks: list[Leak]) -> None:
        self.leaks = leaks
        lines = "\n".join(f"  - {leak}" for leak in leaks[:20])
        super().__init__(f"{len(leaks)} personal value(s) found, by kind and place:\n{lines}")


def assert_no_pii(source: object, *, canaries: Iterable[str] = (), config: MaskingConfig | None = None) -> None:
    """
    Fail if anything personal is in *source*.

    Args:
        source: Bytes (OTLP too, gzip too), text, path, mapping, or iterable of these or of SDK spans, logs and metrics.
        canaries: Texts of your own that must not appear either, however they are encoded.
        config: The rules to apply; the application's, or the default.

    Raises:
        PiiError: An AssertionError that lists class and place of each, never the value; of class ``unreadable`` is
            what cannot be read, an empty file too.
    """
    report = audit(source, canaries=canaries, config=config)
    if leaks := [*report.leaks, *(Leak("unreadable", why) for why in report.unreadable)]:
        raise PiiError(leaks)


def find_pii(source: object, *, canaries: Iterable[str] = (), config: MaskingConfig | None = None) -> list[Leak]:
    """Everything personal in *source*; arguments as in :func:`assert_no_pii`."""
    return audit(source, canaries=canaries, config=config).leaks


def audit(source: object, *, canaries: Iterable[str] = (), config: MaskingConfig | None = None) -> Report:
    """Return the personal data in *source* and how much was read; arguments as in :func:`assert_no_pii`."""
    reading = _Audit(config or MaskingConfig(), tuple(canaries))
    leaks = list(reading.read(source, ()))
    if isinstance(source, Path) and not reading.texts and not reading.unreadable:
        reading.unreadable.append("the file is empty")
    return Report(leaks, reading.texts, reading.characters, reading.unreadable)


class _Audit:
    """One audit: the masker reports the rules that applied to each value."""

    def __init__(self, config: MaskingConfig, canaries: tuple[str, ...]) -> None:
        self._rules: list[str] = []
        self._masker = Masker(config, on_masked=lambda rule, _: self._rules.append(rule))
        self._canaries = canaries
        self.texts = 0
        self.characters = 0
        self.unreadable: list[str] = []

    def read(self, source: object, path: tuple[str, ...]) -> Iterator[Leak]:
        """The leaks in *source*, found under the names of *path*."""
        if len(path) > _MAX_DEPTH:
            yield from self._leaf(path, repr(source))
        elif isinstance(source, Path):
            yield from self.read(source.read_bytes(), path)
        elif isinstance(source, (bytes, bytearray, memoryview)):
            yield from self._bytes(bytes(source), path)
        elif isinstance(source, str):
            yield from self._lines(source, path) if not path else self._leaf(path, source)
        elif isinstance(source, Mapping):
            yield from self._mapping(source, path)
        elif (to_json := getattr(source, "to_json", None)) is not None:
            yield from self.read(json.loads(to_json()), (*path, _SDK))
        elif isinstance(source, Iterable):
            if self._is_secret_pair(source):
                yield Leak("secret", ".".join(path))
                return
            for index, item in enumerate(source):
                yield from self.read(item, (*path, str(index)))
        else:
            yield from self._leaf(path, source)

    def _bytes(self, source: bytes, path: tuple[str, ...]) -> Iterator[Leak]:
        if source.startswith(_GZIP):
            try:
                source = gzip.decompress(source)
            except (OSError, EOFError, zlib.error):
                self._cannot_read(path, "gzip that is cut or damaged")
                return
        text = _decoded(source)
        if text is not None and (not _is_protobuf(source) or not source):
            yield from self.read(text, path)
            return
        parts = [] if source.startswith(_ZIP) else list(_texts(source))
        if not parts and text is None:
            self._cannot_read(path, f"{len(source)} bytes that are neither text nor OTLP")
        for index, part in enumerate(parts):
            yield from self._leaf((*path, _SDK, f"text {index + 1}"), part)
        yield from self._leaf((*path, _SDK, "bytes"), source.decode("utf-8", "replace"), is_exact=False)

    def _cannot_read(self, path: tuple[str, ...], why: str) -> None:
        self.unreadable.append(": ".join(filter(None, (".".join(path), why))))

    def _lines(self, source: str, path: tuple[str, ...]) -> Iterator[Leak]:
        window: list[str] = []
        size = found = 0
        for number, line in enumerate(source.splitlines(), start=1):
            record = _record(line)
            place = (*path, f"line {number}")
            for leak in self.read(record, place) if record is not None else self._leaf(place, line):
                found += 1
                yield leak
            if record is None:
                window.append(line)
                size += len(line) + 1
            if size > _WINDOW_CHARS:
                yield from self._together(window, number, path, found)
                window, size, found = [], 0, 0
        yield from self._together(window, len(source.splitlines()), path, found)

    def _together(self, lines: list[str], last: int, path: tuple[str, ...], found: int) -> Iterator[Leak]:
        """What only lines together show: data over several, a number that is wrapped, a drawing."""
        if len(lines) > 1 and not found:
            self._rules.clear()
            text = "\n".join(lines)
            if self._masker.text(text) != text:
                for rule in dict.fromkeys(self._rules):
                    yield Leak(rule, self._masker.text(": ".join((*path, f"lines to {last}"))))

    def _is_secret_pair(self, source: object) -> bool:
        """Return whether *source* is a name and its value, and the name says that the value is a secret."""
        if not isinstance(source, (list, tuple)) or len(source) != _PAIR or MASKED.search(str(source[1])):
            return False
        masked = self._masker.value(None, [*source])
        return isinstance(masked, list) and masked == [source[0], token("secret")]

    def _mapping(self, source: Mapping[object, object], path: tuple[str, ...]) -> Iterator[Leak]:
        for name in ("key", "name"):
            if set(source) == {name, "value"} and isinstance(source[name], str):
                yield from self.read(source["value"], (*path, str(source[name])))
                return
        for key, value in source.items():
            name = str(key)
            yield from self._leaf((*path, _A_NAME), name)
            yield from self.read(value, (*path, name))

    def _leaf(self, path: tuple[str, ...], value: object, *, is_exact: bool = True) -> Iterator[Leak]:
        self._rules.clear()
        name = _name_of(path)
        masked = self._masker.value(name, value)
        rules = list(dict.fromkeys(self._rules))
        place = ": ".join((path[0], ".".join(path[1:]))) if len(path) > 1 else "".join(path)
        place = self._masker.text(place)
        for rule in rules if masked != value else ():
            yield Leak(rule, place)
        plain = look(str(value)).text
        if is_exact and value is not None and plain.strip():
            self.texts += 1
            self.characters += len(plain)
        if is_exact and masked == value and isinstance(value, str) and (rule := self._inherited(path, value)):
            yield Leak(rule, place)
        elif is_exact and masked == value and not (name is not None and self._masker.numbers_stay(name)):
            yield from (Leak(kind, place) for kind in _suspicions(plain))
        for canary in self._canaries:
            if canary in plain or canary in str(value):
                yield Leak("canary", place)

    def _inherited(self, path: tuple[str, ...], value: str) -> str:
        """The rule of a container that *value* lies in, if that masks it; an empty string if none does."""
        if path[-1] == _A_NAME or MASKED.fullmatch(value):
            return ""
        for size in range(1, len(path) - 1):
            outer = _name_of(path[: size + 1])
            if outer is None or path[size].isdigit():
                continue
            masked = self._masker.value(outer, {path[-1] if not path[-1].isdigit() else "x": value})
            if isinstance(masked, dict) and value and value not in masked.values():
                return next(iter(masked.values()), "")[8:-1] or "body"
        return ""


def _record(line: str) -> object:
    try:
        return json.loads(line) if line.lstrip()[:1] in {"{", "["} else None
    except (ValueError, RecursionError):
        return None


def _suspicions(text: str) -> Iterator[str]:
    """Yield the kinds of what masking has left and stricter eyes see in *text*."""
    if _CUT_NUMBER.search(text):
        yield "phone"
    left = _ALLOWED.sub(" ", text)
    if _LONG_RUN.search(left):
        yield "digits"
    if any(_holds_digits(found[0]) for found in _BASE64.finditer(text)):
        yield "base64"
    if _GIVEN_NAMES.search(left):
        yield "name"


def _holds_digits(word: str) -> bool:
    try:
        content = binascii.a2b_base64(word.translate(_FROM_URL) + "==")
    except binascii.Error:
        return False
    return _LONG_RUN.search(content.decode("latin-1")) is not None


_FROM_URL: Final = str.maketrans("-_", "+/")


def _decoded(source: bytes) -> str | None:
    """*source* as text, or None if it is none."""
    encoding = "utf-16" if source[:2] in {b"\xff\xfe", b"\xfe\xff"} and len(source) % 2 == 0 else "utf-8-sig"
    try:
        text = source.decode(encoding)
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def _name_of(path: tuple[str, ...]) -> str | None:
    """Return the name of a value with its parent's, so that ``err.message`` differs from ``message``."""
    names = [
        name for name in path if not name.isdigit() and not name.endswith("Value") and not name.startswith("line ")
    ]
    if not names or names[-1] == _A_NAME or names[-1] == _SDK:
        return None
    if (_SDK in names or _TELEMETRY.intersection(names)) and "attributes" not in names[:-1]:
        return None
    return names[-1] if len(names) == 1 or "." in names[-1] else ".".join(names[-2:])


def _is_protobuf(source: bytes) -> bool:
    return not source[:1].isascii() or (source[:1] in b"\n\x12\x1a" and len(source) > 1 and source[:2] != b"\n\n")


def _texts(source: bytes, depth: int = 0) -> Iterator[str]:
    """Every text in a protobuf message, by its wire format alone; nothing where it is none."""
    if depth > _MAX_DEPTH:
        return
    for part in _fields(source):
        try:
            yield part.decode("utf-8")
        except UnicodeDecodeError:
            yield part.decode("utf-8", "replace")
        yield from _texts(part, depth + 1)


def _fields(source: bytes) -> list[bytes]:
    """The length-delimited fields of a message; none if the bytes are not a whole message."""
    found: list[bytes] = []
    at = 0
    while at < len(source):
        tag, at = _varint(source, at)
        kind = tag & 7
        if kind == 0:
            _, at = _varint(source, at)
        elif kind in {1, 5}:
            at += 8 if kind == 1 else 4
        elif kind == 2:
            size, at = _varint(source, at)
            found.append(source[at : at + size])
            at += size
        else:
            return []
    return found if at == len(source) else []


def _varint(source: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(source) and shift < 70:
        byte = source[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            break
    return value, at
