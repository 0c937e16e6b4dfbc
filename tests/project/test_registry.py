"""registry/ is the catalogue, in the form that weaver reads; its vectors are read by another language alike."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

import generate_registry
import jsonschema_rs
import pytest
import yaml
from binaries import free_ports
from markdown_pages import ROOT
from rows import for_each

from whatsself_otel import catalogue
from whatsself_otel.catalogue import METRICS
from whatsself_otel.cli.demo_app import demo_app, send
from whatsself_otel.testing import find_pii
from whatsself_otel.whatsapp.detect import PROVIDERS

REGISTRY = ROOT / "registry"
WEAVER = os.environ.get("WEAVER_BIN") or shutil.which("weaver")
needs_weaver = pytest.mark.skipif(
    WEAVER is None,
    reason="weaver is not here: no package registry has it. Build it from its source and name it by WEAVER_BIN.",
)
CAMEL_CASE = {
    *(catalogue.REQUEST_ID, catalogue.CONTACT_ID, catalogue.MESSAGE_ID),
    *(catalogue.TRIGGER_ID, catalogue.FLOW_ID, catalogue.STEP_KEY),
}
ATTRIBUTE_KEYS = {"key", "type", "brief", "note", "examples", "stability", "deprecated", "annotations"}
METRIC_KEYS = {"name", "instrument", "unit", "brief", "note", "stability", "attributes", "annotations"}
REFERENCE_KEYS = {"ref", "brief", "note", "examples", "requirement_level", "annotations"}


def definition(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((REGISTRY / f"{name}.yaml").read_text(encoding="utf-8"))
    return found


def vectors(provider: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((REGISTRY / f"vectors/expected/{provider}.json").read_text(encoding="utf-8"))
    return found


def weaver(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(WEAVER), *arguments], capture_output=True, text=True, timeout=120, check=False, cwd=REGISTRY
    )


class TestDefinitions:
    def test_they_are_what_the_catalogue_says(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert generate_registry.main(["--check"]) == 0, capsys.readouterr().out

    def test_every_metric_is_defined_or_imported_once(self) -> None:
        found = definition("metrics")
        names = [*found["imports"]["metrics"], *(metric["name"] for metric in found["metrics"])]
        assert sorted(names) == sorted(spec.name for spec in METRICS)

    def test_every_reference_has_a_definition_of_ours_or_a_name_of_opentelemetrys(self) -> None:
        ours = [each["key"] for each in definition("attributes")["attributes"]]
        assert len(ours) == len(set(ours))
        used = {ref["ref"] for metric in definition("metrics")["metrics"] for ref in metric["attributes"]}
        assert {name for name in used if "." not in name} <= set(ours)

    def test_only_the_ids_of_a_message_are_not_in_lower_case(self) -> None:
        attributes = {each["key"] for each in definition("attributes")["attributes"]}
        assert {name for name in attributes if name != name.lower()} - {"traceId", "spanId"} == CAMEL_CASE
        allowed = (REGISTRY / "weaver.toml").read_text(encoding="utf-8")
        assert all(f'"{name}"' in allowed for name in CAMEL_CASE)

    def test_the_files_have_no_key_that_weavers_form_does_not_know(self) -> None:
        # weaver's own schema judges the same below, where weaver is.
        attributes, metrics = definition("attributes"), definition("metrics")
        assert {attributes["file_format"], metrics["file_format"]} == {"definition/2"}
        assert all(set(each) <= ATTRIBUTE_KEYS for each in attributes["attributes"])
        assert all(set(each) <= METRIC_KEYS for each in metrics["metrics"])
        assert all(set(ref) <= REFERENCE_KEYS for each in metrics["metrics"] for ref in each["attributes"])


class TestVectors:
    @for_each("provider", PROVIDERS)
    def test_every_payload_has_one_and_nothing_personal_is_in_it(self, provider: str) -> None:
        payloads = json.loads((REGISTRY / f"vectors/payloads/{provider}.json").read_text(encoding="utf-8"))
        found = vectors(provider)
        assert (found["version"], found["provider"]) == (generate_registry.VECTORS_VERSION, provider)
        assert list(found["vectors"]) == list(payloads)
        # Meta's ids of numbers and accounts are digits, and their keys (`name`, `template`) are not a person's.
        each = found["vectors"].values()
        told = [[*map(list, map(dict.values, one["events"])), *one["metrics"]] for one in each]
        assert find_pii(json.dumps(told).replace("100000000000111", "").replace("100000000000222", "")) == []

    def test_a_reader_in_another_language_agrees(self) -> None:
        node = shutil.which("node")
        if node is None:
            pytest.skip("Node is not here (https://nodejs.org): the independent reader of the vectors did not run")
        command = [node, str(ROOT / "tests/whatsapp/reader.mjs"), str(REGISTRY / "vectors")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        read = json.loads(done.stdout.splitlines()[-1])
        assert read["metrics"] == sum(len(vectors(provider)["vectors"]) for provider in PROVIDERS)
        assert read["events"] >= 36

    def test_the_page_names_every_field_of_every_event(self) -> None:
        page = (ROOT / "docs/conventions.md").read_text(encoding="utf-8")
        common = {"kind", "name", "session", "account", "at", "chat", "direction", "author", "message_ref", "history"}
        assert [field for field in sorted(common) if f"`{field}`" not in page] == []


@needs_weaver
class TestWeaver:
    """weaver itself; SEMCONV_MODEL names a local copy of OpenTelemetry's model, else weaver fetches it."""

    @pytest.fixture
    def registry(self, tmp_path: Path) -> Path:
        shutil.copytree(REGISTRY, tmp_path / "registry", ignore=shutil.ignore_patterns("vectors"))
        if (model := os.environ.get("SEMCONV_MODEL")) is not None:
            manifest = definition("manifest")
            manifest["dependencies"][0]["registry_path"] = model
            (tmp_path / "registry" / "manifest.yaml").write_text(yaml.safe_dump(manifest), encoding="utf-8")
        return tmp_path / "registry"

    @for_each("name", ["attributes", "metrics", "events"])
    def test_its_own_schema_takes_the_files(self, name: str) -> None:
        done = weaver("registry", "json-schema", "--json-schema", "semconv-definition-v2")
        assert done.returncode == 0, done.stderr
        jsonschema_rs.validate(json.loads(done.stdout), definition(name))

    def test_the_registry_passes_its_check(self, registry: Path) -> None:
        done = weaver("registry", "check", "--registry", str(registry), "--v2")
        assert done.returncode == 0, done.stderr

    def test_nothing_that_the_demo_sends_is_a_violation(self, registry: Path, tmp_path: Path) -> None:
        port, admin = free_ports(2)
        command = [str(WEAVER), "registry", "live-check", "--registry", str(registry), "--v2", "--include-unreferenced"]
        command += ["--config", str(registry / "weaver.toml"), "--format", "json", "--no-stream"]
        command += ["--otlp-grpc-port", str(port), "--admin-port", str(admin), "--inactivity-timeout", "60"]
        command += ["--output", str(tmp_path / "report")]
        # It reads no gzip.
        by_grpc = {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_COMPRESSION": "none"}
        said = tmp_path / "said"
        with said.open("wb") as file, subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=file) as checker:
            wait_until_listening(port)
            with demo_app(f"http://127.0.0.1:{port}", environment=by_grpc) as app:
                send(app, 3)
            request = urllib.request.Request(f"http://127.0.0.1:{admin}/stop", method="POST")
            urllib.request.urlopen(request, timeout=10).close()
            checker.wait(timeout=60)
        # OpenTelemetry has a deprecated attribute `state` too: the status is 1 for that conflict, and for no other.
        conflicts = [
            line for line in said.read_text(encoding="utf-8").splitlines() if "\N{MULTIPLICATION SIGN}" in line
        ]
        assert [line for line in conflicts if "`state` is declared multiple times" not in line] == []
        found = json.loads((tmp_path / "report" / "live_check.json").read_text(encoding="utf-8"))["statistics"]
        assert found["total_entities_by_type"]["metric"] > 20
        assert found["total_entities_by_type"]["span"] > 50
        assert found["seen_non_registry_attributes"] == {}
        assert found["advice_level_counts"].get("violation", 0) == 0, found["advice_message_counts"]


def wait_until_listening(port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        time.sleep(0.1)
    raise AssertionError("weaver does not listen")
