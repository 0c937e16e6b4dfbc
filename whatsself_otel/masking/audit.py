"""
Is anything personal in what an application emits?

The rules are those of :mod:`whatsself_otel.masking`, applied to bytes, texts, files, mappings and in-memory telemetry.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from whatsself_otel.masking import Masker, MaskingConfig
from whatsself_otel.masking.noise import look

_GZIP: Final = b"\x1f\x8b"
_MAX_DEPTH: Final = 40
_SHOWN_CHARS: Final = 120
_TELEMETRY: Final = frozenset(
    {"resourceSpans", "resourceLogs", "resourceMetrics", "resource_spans", "resource_logs", "resource_metrics"}
)
_A_NAME: Final = "(a name)"
_SDK: Final = "telemetry"
"""Stands in a path for what the SDK wrote: there, as in OTLP, only attributes are named by the application."""


@dataclass(frozen=True, slots=True)
class Leak:
    """One personal datum found where none may be."""

    rule: str
    """The class: phone, jid, email, body, secret, ..., or canary."""
    place: str
    """Line and path of names, such as ``line 3: resourceSpans.0.name``."""
    masked: str
    """The surrounding text as masking would have left it; never the datum itself."""

    def __str__(self) -> str:
        return f"{self.rule} at {self.place}: {self.masked}"


class PiiError(AssertionError):
    """Personal data was found; :attr:`leaks` says where."""

    def __init__(self, leaks: list[Leak]) -> None:
        self.leaks = leaks
        lines = "\n".join(f"  - {leak}" for leak in leaks[:20])
        super().__init__(f"{len(leaks)} personal value(s) found, masked here:\n{lines}")


def assert_no_pii(source: object, *, canaries: Iterable[str] = (), config: MaskingConfig | None = None) -> None:
    """
    Fail if anything personal is in *source*.

    Args:
        source: Bytes (OTLP too, gzip too), text, path, mapping, or iterable of these or of SDK spans, logs and metrics.
        canaries: Texts of your own that must not appear either, however they are encoded.
        config: The rules to apply; the application's, or the default.

    Raises:
        PiiError: An AssertionError that lists class and place of each, never the value.
    """
    if leaks := find_pii(source, canaries=canaries, config=config):
        raise PiiError(leaks)


def find_pii(source: object, *, canaries: Iterable[str] = (), config: MaskingConfig | None = None) -> list[Leak]:
    """Everything personal in *source*; arguments as in :func:`assert_no_pii`."""
    return list(_Audit(config or MaskingConfig(), tuple(canaries)).read(source, ()))


class _Audit:
    """One audit: the masker tells it which rules applied to the value in hand."""

    def __init__(self, config: MaskingConfig, canaries: tuple[str, ...]) -> None:
        self._rules: list[str] = []
        self._masker = Masker(config, on_masked=lambda rule, _: self._rules.append(rule))
        self._canaries = canaries

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
            for index, item in enumerate(source):
                yield from self.read(item, (*path, str(index)))
        else:
            yield from self._leaf(path, source)

    def _bytes(self, source: bytes, path: tuple[str, ...]) -> Iterator[Leak]:
        if source.startswith(_GZIP):
            source = gzip.decompress(source)
        try:
            text = source.decode("utf-8")
        except UnicodeDecodeError:
            text = ""
        if (text and "\0" not in text and not _is_protobuf(source)) or not source:
            yield from self.read(text, path)
            return
        for index, part in enumerate(_texts(source)):
            yield from self._leaf((*path, _SDK, f"text {index + 1}"), part)
        yield from self._leaf((*path, _SDK, "bytes"), source.decode("utf-8", "replace"))

    def _lines(self, source: str, path: tuple[str, ...]) -> Iterator[Leak]:
        for number, line in enumerate(source.splitlines(), start=1):
            place = (*path, f"line {number}")
            try:
                record = json.loads(line) if line.lstrip()[:1] in {"{", "["} else None
            except (ValueError, RecursionError):
                record = None
            yield from self.read(record, place) if record is not None else self._leaf(place, line)

    def _mapping(self, source: Mapping[object, object], path: tuple[str, ...]) -> Iterator[Leak]:
        if set(source) == {"key", "value"} and isinstance(source["key"], str):
            yield from self.read(source["value"], (*path, source["key"]))
            return
        for key, value in source.items():
            name = str(key)
            yield from self._leaf((*path, _A_NAME), name)
            yield from self.read(value, (*path, name))

    def _leaf(self, path: tuple[str, ...], value: object) -> Iterator[Leak]:
        self._rules.clear()
        masked = self._masker.value(_name_of(path), value)
        rules = list(dict.fromkeys(self._rules))
        place = ": ".join((path[0], ".".join(path[1:]))) if len(path) > 1 else "".join(path)
        place, shown = self._masker.text(place), self._masker.text(str(masked))[:_SHOWN_CHARS]
        for rule in rules if masked != value else ():
            yield Leak(rule, place, shown)
        plain = look(str(value)).text
        for canary in self._canaries:
            if canary in plain or canary in str(value):
                yield Leak("canary", place, shown.replace(canary, "[canary]"))


def _name_of(path: tuple[str, ...]) -> str | None:
    """The name that a value stands under, with its parent's, so that ``err.message`` is told from ``message``."""
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
