"""kubernetes/: the answers of the API server, the collector and Prometheus, as far as they can be had here."""

from __future__ import annotations

import copy
import json
import re
from typing import TYPE_CHECKING, Any

import generate_kubernetes
import kubernetes_validate
import pytest
import yaml
from documents import FOLDER, MANIFESTS, RUNS, VALUES, Pod, config_map, documents, values
from markdown_pages import ROOT
from rows import for_each

from whatsself_otel.cli import parser
from whatsself_otel.operations.model import Source
from whatsself_otel.stack import vendor_files

if TYPE_CHECKING:
    from pathlib import Path

VERSION = kubernetes_validate.latest_version()
OPERATORS = ("monitoring.coreos.com/v1", "opentelemetry.io/v1beta1")
"""API groups that the API server learns from operators: tests/kubernetes/test_operators.py."""
CORE = [(name, each) for name in MANIFESTS for each in documents(name) if each["apiVersion"] not in OPERATORS]
LARGEST_BYTES = 1_048_576
"""Of a ConfigMap's data: https://kubernetes.io/docs/concepts/configuration/configmap"""


def test_generated_files_are_what_would_be_written(capsys: pytest.CaptureFixture[str]) -> None:
    assert generate_kubernetes.main(["--check"]) == 0, capsys.readouterr().out


class TestCoreKinds:
    @for_each("name, document", CORE, ids=[f"{name}-{each['kind']}" for name, each in CORE])
    def test_each_is_valid_by_kubernetes_own_schema(self, name: str, document: dict[str, Any]) -> None:
        kubernetes_validate.validate(document, VERSION, strict=True)

    @for_each(
        "change",
        [
            lambda spec: spec.update(replicas="two"),
            lambda spec: spec["template"]["spec"].update(contaners=[]),
            lambda spec: spec["template"]["spec"]["containers"][0]["livenessProbe"].update(periodSecond=5),
            lambda spec: spec["template"]["spec"]["containers"][0]["env"].append({"value": "of no name"}),
        ],
    )
    def test_an_invalid_value_and_a_misspelled_field_fail(self, change: Any) -> None:
        deployment = copy.deepcopy(next(documents("application.yaml")))
        change(deployment["spec"])

        with pytest.raises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(deployment, VERSION, strict=True)

    def test_what_a_pod_mounts_is_there_and_every_container_is_hardened(self) -> None:
        pods = [each["spec"]["template"]["spec"] for _, each in CORE if each["kind"] == "Deployment"]

        assert len(pods) == 2
        for pod in pods:
            (container,) = pod["containers"]
            mounted = {mount["name"] for mount in container["volumeMounts"]}
            assert mounted == {volume["name"] for volume in pod["volumes"]}
            assert pod["securityContext"]["runAsNonRoot"]
            assert container["securityContext"] == values("agent")["securityContext"]

    def test_what_sends_to_agents_is_let_in_and_says_only_what_the_package_reads(self) -> None:
        pages = (ROOT / "docs/configuration.md").read_text("utf-8")
        templates = [each["spec"]["template"] for _, each in CORE if each["kind"] == "Deployment"]
        named = {each["name"] for template in templates for each in template["spec"]["containers"][0]["env"]}

        assert {template["metadata"]["labels"]["whatsself.dev/sends-telemetry"] for template in templates} == {"yes"}
        assert "OTEL_EXPORTER_OTLP_ENDPOINT" in named
        assert {name for name in named if f"`{name}`" not in pages} == set()

    def test_no_config_map_is_larger_than_one_may_be(self) -> None:
        sizes = {each["metadata"]["name"]: len(json.dumps(each["data"])) for _, each in CORE if "data" in each}

        assert sizes
        assert {name: size for name, size in sizes.items() if size > LARGEST_BYTES} == {}


class TestBridge:
    def test_is_one_hardened_process_with_a_queue_that_stays(self) -> None:
        """No cluster is at hand: the arguments are those that the command takes, and the names lead to one another."""
        files = {each["kind"]: each for each in documents("bridge.yaml")}
        spec = files["Deployment"]["spec"]
        pod = spec["template"]["spec"]
        (container,) = pod["containers"]
        arguments = parser().parse_args(container["args"][1:])
        mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        volumes = {volume["name"]: volume for volume in pod["volumes"]}

        assert (spec["replicas"], spec["strategy"]["type"]) == (1, "Recreate")
        assert str(arguments.queue).startswith(mounts["queue"])
        assert str(arguments.token_file).startswith(mounts["token"])
        claim = files["PersistentVolumeClaim"]["metadata"]["name"]
        assert volumes["queue"]["persistentVolumeClaim"]["claimName"] == claim
        assert files["Service"]["spec"]["selector"].items() <= spec["template"]["metadata"]["labels"].items()
        assert pod["securityContext"]["runAsNonRoot"]
        assert container["securityContext"] == {
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        }


class TestCollectors:
    @for_each("name", RUNS)
    def test_each_file_is_mounted_and_each_variable_it_requires_is_set(self, name: str, tmp_path: Path) -> None:
        pod = Pod(name, tmp_path)
        headers = [vendor_files.parse(file, FOLDER, config_map()[file]) for file in pod.files()]
        required = {variable for header in headers for variable in header.requires}

        assert required
        assert required - pod.variables().keys() == set()

    @for_each("name", RUNS)
    def test_each_extension_of_its_files_is_started(self, name: str, tmp_path: Path) -> None:
        pod = Pod(name, tmp_path)
        added = [
            each for file in pod.files() for each in vendor_files.parse(file, FOLDER, config_map()[file]).extensions
        ]
        started = yaml.safe_load(pod.variables().get("OTELCOL_EXTENSIONS", f"[{', '.join(vendor_files.EXTENSIONS)}]"))

        assert started == [*vendor_files.EXTENSIONS, *added]

    @for_each("name", RUNS)
    def test_the_image_has_the_version_that_is_built_natively(self, name: str) -> None:
        manifest = yaml.safe_load((ROOT / "collector/builder.yaml").read_text("utf-8"))

        assert values(name)["image"]["tag"] == manifest["dist"]["version"]

    def test_a_changed_file_starts_new_pods(self) -> None:
        files = config_map()

        assert generate_kubernetes.checksum(files) != generate_kubernetes.checksum(files | {"config.yaml": "changed"})
        assert {values(name)["podAnnotations"]["whatsself.dev/collector-files"] for name in RUNS} == {
            generate_kubernetes.checksum(files)
        }

    def test_where_a_record_comes_from_is_added_after_the_base_has_masked_it(self) -> None:
        base = yaml.safe_load(config_map()["config.yaml"])["service"]["pipelines"]
        ours = yaml.safe_load(config_map()["k8s-attributes.yaml"])["service"]["pipelines"]

        assert {name: pipeline["processors"] for name, pipeline in ours.items()} == {
            name: [*base[name]["processors"], "k8s_attributes"] for name in ("traces/in", "metrics/in", "logs/in")
        }

    def test_an_agent_is_let_in_where_the_gateway_listens_and_nobody_elsewhere(self) -> None:
        policies = {each["metadata"]["name"]: each["spec"]["ingress"] for each in documents("networkpolicies.yaml")}
        opened = {name: {port["port"] for rule in rules for port in rule["ports"]} for name, rules in policies.items()}
        exposed = {
            name: {port["containerPort"] for port in values(name)["ports"].values() if "containerPort" in port}
            for name in RUNS
        }

        assert opened["whatsself-gateway"] == {4327, 8888}
        assert exposed["gateway"] == {4327}
        assert opened["whatsself-agent"] == {4317, 4318, 8888}


class TestPrometheus:
    def test_is_told_what_our_own_file_says(self) -> None:
        ours = yaml.safe_load((ROOT / "backends/prometheus/prometheus.yml").read_text("utf-8"))
        told = values("kube-prometheus-stack")["prometheus"]["prometheusSpec"]

        assert told["otlp"] == {
            "keepIdentifyingResourceAttributes": ours["otlp"]["keep_identifying_resource_attributes"],
            "promoteResourceAttributes": ours["otlp"]["promote_resource_attributes"],
        }
        assert told["tsdb"]["outOfOrderTimeWindow"] == ours["storage"]["tsdb"]["out_of_order_time_window"]
        assert told["retention"] == ours["storage"]["tsdb"]["retention"]["time"]
        assert told["scrapeInterval"] == ours["global"]["scrape_interval"]
        assert told["evaluationInterval"] == ours["global"]["evaluation_interval"]

    def test_calls_each_job_as_the_rules_do(self) -> None:
        asked = set(re.findall(r'\bjob="(\w+)"', (FOLDER / "rules.yaml").read_text("utf-8")))
        (monitor,) = documents("servicemonitor.yaml")
        stack = values("kube-prometheus-stack")
        named = [
            *(each["relabelings"] for each in monitor["spec"]["endpoints"]),
            *(stack[program]["serviceMonitor"]["relabelings"] for program in ("prometheus", "alertmanager")),
        ]

        assert asked == {"otelcol"}
        assert [each["replacement"] for rules in named for each in rules] == ["otelcol", "prometheus", "alertmanager"]

    def test_a_changed_setting_changes_the_prometheus_rule(self) -> None:
        source = Source.load()
        before = generate_kubernetes.rules(source)
        source.values["queue"]["stuck_for"] = "77m"
        source.values["links"]["runbooks"] = "https://wiki.example/runbooks.html"
        after = generate_kubernetes.rules(source)
        every = [rule for each in after for group in each["spec"]["groups"] for rule in group["rules"]]
        alerts = [rule for rule in every if "alert" in rule]

        assert before == list(documents("rules.yaml"))
        assert "77m" in [rule.get("for") for rule in alerts]
        page = "https://wiki.example/runbooks.html"
        assert all(rule["annotations"]["runbook_url"] == f"{page}#{rule['alert'].lower()}" for rule in alerts)

    def test_grafanas_sources_have_the_names_that_dashboards_ask_for(self) -> None:
        (file,) = (ROOT / "backends/grafana/provisioning/datasources").glob("*.y*ml")
        provisioned = yaml.safe_load(file.read_text("utf-8"))
        grafana = values("kube-prometheus-stack")["grafana"]
        sidecar = grafana["sidecar"]["datasources"]
        added = [each["uid"] for each in grafana["additionalDataSources"]]

        assert {sidecar["uid"], sidecar["alertmanager"]["uid"], *added} == {
            each["uid"] for each in provisioned["datasources"]
        }


class TestAlertmanager:
    def test_keeps_silent_about_what_our_own_file_says(self) -> None:
        ours = yaml.safe_load((ROOT / "backends/alertmanager/inhibit_rules.yml").read_text("utf-8"))

        assert len(ours["inhibit_rules"]) > 5
        assert values("alertmanager") == {"alertmanager": {"config": ours}}


class TestStores:
    def test_loki_is_told_what_our_own_file_says(self) -> None:
        text = (ROOT / "backends/loki/loki.yaml").read_text("utf-8")
        ours = yaml.safe_load(re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text))
        told = values("loki")["loki"]

        assert told["limits_config"] == ours["limits_config"]
        assert told["ingester"]["max_chunk_age"] == ours["ingester"]["max_chunk_age"]
        assert told["querier"] == ours["querier"]
        assert told["compactor"] == {key: ours["compactor"][key] for key in told["compactor"]}

    def test_tempo_keeps_and_counts_what_our_own_file_says(self) -> None:
        text = (ROOT / "backends/tempo/tempo.yaml").read_text("utf-8")
        ours = yaml.safe_load(re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text))
        told = values("tempo")["tempo"]

        assert told["retention"] == ours["backend_worker"]["compaction"]["block_retention"]
        assert told["metricsGenerator"]["processor"] == ours["metrics_generator"]["processor"]
        assert told["overrides"]["defaults"] == ours["overrides"]["defaults"]
        assert (
            told["storage"]["trace"]["wal"]["ingestion_time_range_slack"]
            == (ours["storage"]["trace"]["wal"]["ingestion_time_range_slack"])
        )

    @for_each("name", VALUES)
    def test_each_values_file_says_where_its_chart_lives(self, name: str) -> None:
        head = "".join(line for line in (FOLDER / name).read_text("utf-8").splitlines() if line.startswith("#"))

        assert re.search(r"https://[a-z-]+\.github\.io/[a-z-]+", head)
