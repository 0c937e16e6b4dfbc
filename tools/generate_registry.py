"""
Writes registry/: the catalogue as an OpenTelemetry semantic convention registry, and what each payload records.

The registry's files have the form `definition/2` of weaver; `registry/vectors/expected` holds events and metrics.

    python tools/generate_registry.py            # write
    python tools/generate_registry.py --check    # exit 1 if a file is not what would be written
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml
from pages import write_or_check

from whatsself_otel import __version__, catalogue
from whatsself_otel.catalogue import EVENT, LOG_FIELDS, METRICS, SESSION, SESSION_EVENTS, AttributeSpec, MetricSpec
from whatsself_otel.whatsapp.addresses import Addresses
from whatsself_otel.whatsapp.detect import ADAPTERS, PROVIDERS
from whatsself_otel.whatsapp.replay import Replay

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from whatsself_otel.whatsapp.events import Event

ROOT: Final = Path(__file__).resolve().parent.parent
REGISTRY: Final = ROOT / "registry"
PAYLOADS: Final = REGISTRY / "vectors" / "payloads"
EXPECTED: Final = REGISTRY / "vectors" / "expected"
CONVENTIONS: Final = "1.44.0"
"""Version of OpenTelemetry's semantic conventions that the registry builds on."""
VECTORS_VERSION: Final = 1
"""Version of the form of `registry/vectors/expected`; a change that a reader would notice raises it."""
RECEIVED_AT_S: Final = 1_796_000_000
"""Time of arrival for payloads without a time."""
ATTEMPT: Final = "attempt"
"""The one attribute of the demo's own."""
_OWN_KEYS: Final = ("provider", "event_id", "contact_ref", "new_contact_ref", "is_live", "is_repeat")
"""Fields that the file states in another way, or that each implementation computes with its own key."""
_THEIRS: Final = ("http.server.request.duration", "process.uptime")
"""Metrics that OpenTelemetry defines; the registry imports them."""
_NOT_ATTRIBUTES: Final = ("level", "ts", "msg", "logger", "traceId", "spanId", "err")
"""Fields of a log line that have their own place in OTLP."""
_WINDOWS: Final = ("rate_", "cb_fail_rate", "contact_inbound_max", "delivery_success_ratio")
"""Metrics of moving windows: what one payload adds to them depends on the clock."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the registry and the vectors, or check them."""
    pages = {REGISTRY / f"{name}.yaml": _yaml(content) for name, content in _definitions()}
    pages |= {EXPECTED / f"{provider}.json": _vectors(provider) for provider in PROVIDERS}
    return write_or_check(__doc__, pages, arguments)


def _definitions() -> Iterator[tuple[str, dict[str, Any]]]:
    yield "manifest", _manifest()
    yield "attributes", {"file_format": "definition/2", "attributes": list(_attributes())}
    imports = {"imports": {"metrics": list(_THEIRS)}}
    metrics = [_metric(spec) for spec in METRICS if spec.name not in _THEIRS]
    yield "metrics", {"file_format": "definition/2", **imports, "metrics": metrics}
    yield "events", {"file_format": "definition/2", "events": [_session_event(name) for name in SESSION_EVENTS]}


def _manifest() -> dict[str, Any]:
    source = "https://github.com/open-telemetry/semantic-conventions/archive/refs/tags"
    return {
        "schema_url": f"https://whatsself-otel.example/schemas/{__version__}",
        "description": "What whatsself_otel puts on the wire for WhatsApp automation.",
        "stability": "development",
        "dependencies": [
            {
                "schema_url": f"https://opentelemetry.io/schemas/{CONVENTIONS}",
                "registry_path": f"{source}/v{CONVENTIONS}.zip[model]",
            }
        ],
    }


def _attributes() -> Iterator[dict[str, Any]]:
    """Yield our attributes, each key once: several metrics may use one key with different values."""
    by_key: dict[str, list[AttributeSpec]] = {}
    for spec in METRICS:
        for attribute in spec.attributes:
            if _is_ours(attribute.name):
                by_key.setdefault(attribute.name, []).append(attribute)
    for key, uses in sorted(by_key.items()):
        values = dict.fromkeys(value for use in uses for value in use.values)
        brief = " ".join(dict.fromkeys(use.description.en for use in uses))
        yield _attribute(key, brief, list(values), uses[0].pii)
    for field in LOG_FIELDS:
        if field.name not in by_key and field.name not in _NOT_ATTRIBUTES:
            yield _attribute(field.name, field.description.en, [], field.pii)
    yield _attribute(ATTEMPT, "How often the demo has tried to send the message.", [], catalogue.Pii.NONE, kind="int")


def _attribute(key: str, brief: str, values: list[str], pii: catalogue.Pii, *, kind: str = "string") -> dict[str, Any]:
    members = [{"id": value, "value": value, "stability": "development"} for value in values]
    return {
        "key": key,
        "type": {"members": members} if members else kind,
        "brief": brief,
        "stability": "development",
        "annotations": {"pii": pii.value},
    }


def _metric(spec: MetricSpec) -> dict[str, Any]:
    notes = {"prometheus": spec.prometheus_name, "aggregation": spec.aggregation.value}
    return {
        "name": spec.name,
        "instrument": spec.kind.value,
        "unit": spec.unit,
        "brief": spec.description.en,
        "stability": "development",
        "attributes": [_reference(attribute) for attribute in spec.attributes],
        "annotations": {**notes, **({"buckets": list(spec.buckets)} if spec.buckets else {})},
    }


def _session_event(name: str) -> dict[str, Any]:
    references = [{"ref": key, "requirement_level": "recommended"} for key in (SESSION, EVENT)]
    brief = f"A WhatsApp session is {name.replace('_', ' ')}."
    return {"name": name, "brief": brief, "stability": "development", "attributes": references}


def _reference(attribute: AttributeSpec) -> dict[str, Any]:
    values = ", ".join(f"`{value}`" for value in attribute.values)
    note = {"note": f"One of {values}."} if values and _is_ours(attribute.name) else {}
    return {"ref": attribute.name, "brief": attribute.description.en, **note, "requirement_level": "recommended"}


def _is_ours(key: str) -> bool:
    return "." not in key


def _vectors(provider: str) -> str:
    payloads = json.loads((PAYLOADS / f"{provider}.json").read_text(encoding="utf-8"))
    found = {name: _played(each["payload"], provider) for name, each in payloads.items()}
    lines = [f"    {json.dumps(name)}: {json.dumps(each, ensure_ascii=False)}" for name, each in found.items()]
    about = {"version": VECTORS_VERSION, "provider": provider, "receivedAt": RECEIVED_AT_S}
    head = "".join(f"  {json.dumps(key)}: {json.dumps(value)},\n" for key, value in about.items())
    return "{\n" + head + '  "vectors": {\n' + ",\n".join(lines) + "\n  }\n}\n"


def _played(payload: dict[str, Any], provider: str) -> dict[str, Any]:
    replay = Replay(received_at_s=RECEIVED_AT_S)
    try:
        explained = replay.explain(payload, provider)
    finally:
        replay.close()
    moved = {name: step for name, step in explained.recorded.items() if not name.startswith(_WINDOWS)}
    return {"events": [_event(event) for event in ADAPTERS[provider](payload, Addresses())], "metrics": moved}


def _event(event: Event) -> dict[str, Any]:
    fields = {name: value for name, value in asdict(event).items() if name not in _OWN_KEYS}
    history = {} if event.is_live else {"history": True}
    return {"kind": event.kind, **{name: value for name, value in fields.items() if value}, **history}


class _Dumper(yaml.SafeDumper):
    """Writes no anchors: a list that stands twice is written twice."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - as PyYAML calls it
        return True


def _yaml(content: dict[str, Any]) -> str:
    generated = "# Generated by tools/generate_registry.py from whatsself_otel/catalogue.py; do not edit.\n"
    return generated + yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


if __name__ == "__main__":
    sys.exit(main())
