"""The official charts, rendered with our values, where they are at hand: KUBERNETES_CHARTS names their folder."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from documents import FOLDER, RUNS, documents
from rows import for_each

CHARTS = Path(os.environ.get("KUBERNETES_CHARTS") or "/nowhere")
CHART_OF = {**dict.fromkeys(RUNS, "opentelemetry-collector"), "loki": "loki", "tempo": "tempo"}
VERSION = kubernetes_validate.latest_version()


def rendered(name: str, *settings: str) -> list[dict[str, Any]]:
    """Return what Helm makes of the chart for ``NAME.values.yaml``."""
    chart = CHARTS / CHART_OF[name]
    if shutil.which("helm") is None or not chart.is_dir():
        pytest.skip(f"helm, or the chart {chart.name} below KUBERNETES_CHARTS, is not here")
    command = ["helm", "template", f"whatsself-{name}", str(chart), "--namespace=monitoring"]
    files = ["--values", str(FOLDER / f"{name}.values.yaml"), "--kube-version=1.33.0", "--api-versions=policy/v1"]
    done = subprocess.run([*command, *files, *settings], capture_output=True, text=True, check=True)
    return [each for each in yaml.safe_load_all(done.stdout) if each]


@for_each("name", CHART_OF)
def test_what_a_chart_renders_is_valid(name: str) -> None:
    made = rendered(name)

    assert {"Service", "ServiceAccount"} <= {each["kind"] for each in made}
    for each in made:
        kubernetes_validate.validate(each, VERSION, strict=True)


def test_agents_and_gateways_are_what_the_pages_say() -> None:
    made = {(each["kind"], each["metadata"]["name"]): each for name in RUNS for each in rendered(name)}
    gateway = made["StatefulSet", "whatsself-gateway"]["spec"]
    agent = made["DaemonSet", "whatsself-agent-agent"]["spec"]["template"]["spec"]

    assert gateway["replicas"] == 3
    assert [claim["metadata"]["name"] for claim in gateway["volumeClaimTemplates"]] == ["queue"]
    assert made["Service", "whatsself-gateway"]["spec"]["clusterIP"] == "None"
    assert made["PodDisruptionBudget", "whatsself-gateway"]["spec"]["maxUnavailable"] == 1
    assert made["Service", "whatsself-agent"]["spec"]["internalTrafficPolicy"] == "Local"
    assert all("hostPort" not in port for port in agent["containers"][0]["ports"])


def test_the_operators_collector_is_what_its_schema_takes() -> None:
    file = CHARTS / "crds" / "opentelemetry.io_opentelemetrycollectors.yaml"
    if not file.is_file():
        pytest.skip(f"{file.name} of the OpenTelemetry operator is not below KUBERNETES_CHARTS/crds")
    versions = yaml.safe_load(file.read_text("utf-8"))["spec"]["versions"]
    (schema,) = (each["schema"]["openAPIV3Schema"] for each in versions if each["name"] == "v1beta1")
    (document,) = documents("gateway.opentelemetrycollector.yaml")

    jsonschema.validate(document, schema)
    assert list(unknown(document["spec"], schema["properties"]["spec"])) == []


def unknown(value: Any, schema: dict[str, Any], path: str = "spec") -> Any:
    """Yield the path of each field that *schema* does not know; a cluster would drop it without a word."""
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        return
    if isinstance(value, list):
        for each in value:
            yield from unknown(each, schema.get("items", {}), f"{path}[]")
    elif isinstance(value, dict):
        for key, each in value.items():
            below = schema.get("properties", {}).get(key) or schema.get("additionalProperties")
            if below is None:
                yield f"{path}.{key}"
            elif isinstance(below, dict):
                yield from unknown(each, below, f"{path}.{key}")


def test_an_unknown_field_is_seen() -> None:
    schema = {"properties": {"mode": {"type": "string"}, "env": {"items": {"properties": {"name": {}}}}}}

    assert list(unknown({"mode": "x", "mod": "x", "env": [{"nam": "y"}]}, schema)) == ["spec.mod", "spec.env[].nam"]
