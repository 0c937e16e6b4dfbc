"""The collector's files as data, for tests."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import yaml
from binaries import ROOT
from vendor_intakes import AWS_KEYS

if TYPE_CHECKING:
    from pathlib import Path

BASE = (ROOT / "collector/config.yaml", ROOT / "collector/masking.yaml")
VENDORS = tuple(sorted(path.stem for path in (ROOT / "collector/vendors").glob("*.yaml")))
INPUTS = ("sources/evolution", "sources/pino", "scale/gateway", "scale/kafka-consumer")
"""The files that receive from outside."""
OUTPUTS = ("scale/agent", "scale/kafka-producer")
"""The files of collector/scale that send, like a vendor's."""
HEADER_KEYS = (
    "signals",
    "requires",
    "optional",
    "temporality",
    "extensions",
    "lacking",
    "full",
    "limits",
    "region",
    "source",
    "checked",
)


@cache
def read(vendor: str | None) -> dict[str, Any]:
    """Return the base with its masking (None), or a vendor file, as data; do not change it."""
    data: dict[str, Any] = {}
    for file in BASE if vendor is None else (path(vendor),):
        data = merge(data, yaml.safe_load(file.read_text("utf-8")))
    return data


def path(name: str) -> Path:
    """Return the file of vendor *name*, or of any other folder when it is named: ``scale/agent``."""
    return ROOT / "collector" / (f"{name}.yaml" if "/" in name else f"vendors/{name}.yaml")


def header(vendor: str) -> dict[str, str]:
    """Return the ``# key: value`` lines that a vendor file starts with."""
    lines = path(vendor).read_text("utf-8").splitlines()
    pairs = (line[2:].partition(": ") for line in lines if line.startswith("# "))
    return {key: value for key, _, value in pairs if key in HEADER_KEYS}


def listed(value: str) -> list[str]:
    """Return the items of a header line; ``none`` is no item. A comma inside brackets does not part."""
    return [] if value == "none" else [item.strip() for item in value.split(", ")]


BUILDABLE = tuple(vendor for vendor in VENDORS if header(vendor)["lacking"] == "none")
"""The vendor files whose components the native build has."""
BUILDABLE_FILES = (
    *BUILDABLE,
    *(name for name in INPUTS if header(name).get("lacking", "none") == "none"),
    "scale/kafka-producer",
)
"""The same, and the files of sources and scale with the same property."""


def sample(variable: str) -> str:
    """Return a value that the collector takes for *variable*."""
    if variable.endswith("_GRPC_ENDPOINT"):
        return "vendor.invalid:4317"
    return "https://vendor.invalid" if variable.endswith("_ENDPOINT") else "a2V5"


SAMPLE_VALUES = {
    **AWS_KEYS,
    **{
        variable: sample(variable)
        for vendor in (*VENDORS, *INPUTS, *OUTPUTS)
        for variable in listed(header(vendor)["requires"])
    },
}
"""A value for every variable that a vendor file requires, and the keys without which AWS's extension does not start."""


def merge(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """
    Merge as the collector does: maps deeply, everything else replaced, an empty section deletes.

    Source: https://github.com/open-telemetry/opentelemetry-collector/blob/v0.161.0/confmap/README.md
    """
    merged = dict(first)
    for key, value in second.items():
        old = merged.get(key)
        merged[key] = merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged
