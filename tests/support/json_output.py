"""A command's JSON output, checked against docs/command-line.schema.json."""

from __future__ import annotations

import json
from typing import Any

import generate_command_line
import jsonschema_rs

SCHEMA: dict[str, Any] = json.loads(generate_command_line.SCHEMA.read_text(encoding="utf-8"))
KINDS = {each["$ref"].rpartition("/")[2] for each in SCHEMA["oneOf"]}


def content(text: str) -> dict[str, Any]:
    """Return the JSON object of *text* without the required name of its form."""
    found: dict[str, Any] = json.loads(text)
    kind_of(text)
    del found["schema"]
    return found


def kind_of(text: str) -> str:
    """Return the form that *text* names; it must be valid."""
    found = json.loads(text)
    kind: str = found["schema"].split("/")[1]
    jsonschema_rs.validate({**SCHEMA, "oneOf": [{"$ref": f"#/$defs/{kind}"}]}, found)
    return kind
