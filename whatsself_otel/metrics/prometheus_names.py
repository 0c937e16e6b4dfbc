"""
The names that Prometheus gives to OpenTelemetry's metrics and attributes: one translation for OTLP and ``/metrics``.

It is that of Prometheus' OTLP receiver with its default settings. The receiver refuses a whole request for one name
that it cannot translate, and overwrites some labels: `safe_attribute` and `safe_metric` keep such names out.

Source: https://github.com/prometheus/otlptranslator, metric_namer.go, unit_namer.go and label_namer.go.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

_WORD: Final = re.compile(r"[a-zA-Z0-9:]+")
_NO_LABEL_CHARACTER: Final = re.compile(r"[^a-zA-Z0-9_]")
_NO_NAME_CHARACTERS: Final = re.compile(r"[^a-zA-Z0-9:]+")
_OVERWRITTEN: Final = frozenset({"job", "instance", "le"})
"""Labels that Prometheus sets itself: the sender, and the bound of a bucket."""
_UNITS: Final = {
    "d": "days",
    "h": "hours",
    "min": "minutes",
    "s": "seconds",
    "ms": "milliseconds",
    "us": "microseconds",
    "ns": "nanoseconds",
    "By": "bytes",
    "KiBy": "kibibytes",
    "MiBy": "mebibytes",
    "GiBy": "gibibytes",
    "TiBy": "tibibytes",
    "KBy": "kilobytes",
    "MBy": "megabytes",
    "GBy": "gigabytes",
    "TBy": "terabytes",
    "m": "meters",
    "V": "volts",
    "A": "amperes",
    "J": "joules",
    "W": "watts",
    "g": "grams",
    "Cel": "celsius",
    "Hz": "hertz",
    "1": "",
    "%": "percent",
}
_UNITS_PER: Final = {"s": "second", "m": "minute", "h": "hour", "d": "day", "w": "week", "mo": "month", "y": "year"}
_JSON_ESCAPES: Final = {ord(character): f"\\u{ord(character):04x}" for character in "\u2028\u2029"}


def prometheus_name(name: str, *, unit: str, kind: str | None) -> str:
    """
    Translate a metric's name.

    Args:
        name: Dotted metric name.
        unit: UCUM unit; an annotation in braces counts as none.
        kind: counter, gauge or histogram; None: a sum that may fall. A counter ends in ``_total``, a gauge of unit
            ``1`` in ``_ratio``.
    """
    words = _WORD.findall(name)
    words += _unit_words(unit, words)
    if kind == "counter":
        words = [word for word in words if word != "total"] + ["total"]
    if kind == "gauge" and unit == "1":
        words = [word for word in words if word != "ratio"] + ["ratio"]
    joined = "_".join(words)
    return f"_{joined}" if joined[:1].isdigit() else joined


def prometheus_label(name: str) -> str:
    """Translate an attribute's name: each character but letters, digits and underscores becomes an underscore."""
    label = _NO_LABEL_CHARACTER.sub("_", name)
    if label[:1].isdigit():
        return f"key_{label}"
    return f"key{label}" if label.startswith("_") and not label.startswith("__") else label


def prometheus_labels(attributes: Mapping[str, Any]) -> dict[str, str]:
    """Translate *attributes*. Values whose names become equal are joined by ``;``; an empty label is no label."""
    labels: dict[str, str] = {}
    for name in sorted(attributes):
        label, value = prometheus_label(name), _label_value(attributes[name])
        labels[label] = f"{labels[label]};{value}" if labels.get(label) else value
    return {label: value for label, value in labels.items() if value}


def safe_attribute(name: str) -> str:
    """
    Return the name to send for the attribute *name*. It differs only if Prometheus would not keep the name.

    Prometheus refuses names without a Latin letter or digit, keeps those with two leading underscores to itself, and
    overwrites ``job``, ``instance`` and ``le``.
    """
    label = prometheus_label(name)
    if label in _OVERWRITTEN:
        return f"exported_{name}"
    is_taken = label.startswith("__") or not label.strip("_")
    return f"key_{_in_latin(name)}" if is_taken else name


def safe_metric(name: str) -> str:
    """Return *name*, or a replacement if it has no Latin letter or digit, which Prometheus refuses."""
    return name if _WORD.search(name) else f"metric_{_in_latin(name)}"


def _in_latin(name: str) -> str:
    """Spell each foreign character by its code point, so that different names stay different."""
    return "".join(each if each.isascii() else f"u{ord(each):x}_" for each in name)


def _unit_words(unit: str, known: Sequence[str]) -> list[str]:
    main, _, per = (part.strip() for part in unit.partition("/"))
    suffix = _clean_unit("" if _is_annotation(main) else _UNITS.get(main, main))
    suffix_per = "" if not per or _is_annotation(per) else _clean_unit(f"per_{_UNITS_PER.get(per, per)}")
    suffix_per = "" if suffix_per == "per_" else suffix_per.removesuffix("_")
    if suffix_per in known:
        suffix_per = ""
    if suffix in known:
        suffix = ""
    return [word for word in (suffix.removesuffix("_") if suffix_per else suffix, suffix_per) if word]


def _is_annotation(unit: str) -> bool:
    return "{" in unit or "}" in unit


def _clean_unit(unit: str) -> str:
    return _NO_NAME_CHARACTERS.sub("_", unit).removeprefix("_")


def _label_value(value: object) -> str:
    """Return *value* as the receiver writes it: JSON for everything but text."""
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if value is None:
        return ""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, float) and not math.isfinite(value):
        return f"json: unsupported value: {'NaN' if math.isnan(value) else '+Inf' if value > 0 else '-Inf'}"
    return _json(value)


def _json(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, bytes):
        return f'"{base64.b64encode(value).decode()}"'
    if isinstance(value, Mapping):
        pairs = (f"{_json_text(str(key))}:{_json(value[key])}" for key in sorted(value))
        return f"{{{','.join(pairs)}}}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{','.join(map(_json, value))}]"
    return "null" if value is None else str(value) if isinstance(value, int) else _json_text(str(value))


def _json_text(text: str) -> str:
    return json.dumps(text.encode(errors="replace").decode(), ensure_ascii=False).translate(_JSON_ESCAPES)


def _float(value: float) -> str:
    """Write *value* in the fewest digits; with an exponent below 1e-6 and from 1e21."""
    if value == 0 or 1e-6 <= abs(value) < 1e21:
        written = format(Decimal(repr(value)), "f")
        return written.removesuffix(".0")
    digits, _, exponent = repr(value).partition("e")
    return f"{digits.removesuffix('.0')}e{int(exponent):+d}"
