"""Any set of vendor files leaves the base whole, and the real collector takes it."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from binaries import COLLECTOR, ROOT, config_arguments, free_ports, need, run_collector, run_once
from fault_cases import wait_until
from rows import for_each
from vendor_files import (
    BUILDABLE_FILES,
    HEADER_KEYS,
    INPUTS,
    OUTPUTS,
    SAMPLE_VALUES,
    VENDORS,
    header,
    listed,
    merge,
    path,
    read,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

EVERY_FILE = (*VENDORS, *INPUTS, *OUTPUTS)
MASKING = [
    *("memory_limiter", "transform/expose"),
    *("redaction/keys", "redaction/words", "redaction/pairs", "redaction/numbers", "transform/restore"),
    "filter/too_large",
]
"""What every pipeline that receives from outside does first."""
OF_METRICS = [
    *("memory_limiter", "transform/expose", "redaction/keys", "redaction/labels", "redaction/numbers"),
    *("transform/restore", "filter/too_large"),
]
"""Of metrics one processor masks by the words and the pairs of the others."""
FORWARDS = {"traces": "forward/traces", "metrics": "forward/metrics", "logs": "forward/logs"}


def covering_sets(vendors: tuple[str, ...] = EVERY_FILE) -> list[tuple[str, ...]]:
    """None, each alone, every pair, all: two files that disturb each other do so in a pair."""
    return [(), *((name,) for name in vendors), *combinations(vendors, 2), vendors]


def merged(vendors: Iterable[str]) -> dict[str, Any]:
    config = read(None)
    for vendor in vendors:
        config = merge(config, read(vendor))
    return config


def differences(before: Any, after: Any, path: str = "") -> list[str]:
    """Return where *after* lacks or changes something of *before*."""
    if not isinstance(before, dict) or not isinstance(after, dict):
        return [] if before == after else [path]
    return [found for key in before for found in differences(before[key], after.get(key), f"{path}/{key}")]


_HTTP = {
    "endpoint",
    "traces_endpoint",
    "metrics_endpoint",
    "logs_endpoint",
    "headers",
    "auth",
    "encoding",
    "compression",
}
_KEPT = {"sending_queue", "retry_on_failure"}
EXPORTERS = {
    "otlp_http": {*_HTTP, *_KEPT},
    "otlp_grpc": {"endpoint", "balancer_name", "headers", "tls", *_KEPT},
    "load_balancing": {"protocol", "resolver", "routing_key", *_KEPT},
    "kafka": {
        *("brokers", "producer", "traces", "metrics", "logs", *_KEPT),
        *(
            "partition_traces_by_id",
            "partition_metrics_by_resource_attributes",
            "partition_logs_by_resource_attributes",
        ),
    },
    "prometheus_remote_write": {
        *("http", "translation_strategy", "max_batch_request_parallelism", "remote_write_queue", "retry_on_failure")
    },
    "splunk_hec": {"endpoint", "token", "index", "sourcetype", *_KEPT},
    "debug": {"verbosity"},
    "file": {"path", "create_directory", "format", "rotation"},
    "prometheus": {"endpoint", "translation_strategy", "enable_open_metrics", "metric_expiration"},
}
"""Kind of exporter -> keys that a vendor file may set: none weakens TLS, opens a port or skips the queue."""
TLS = {"insecure", "ca_file", "cert_file", "key_file", "min_version", "server_name_override"}
ALLOWED = {
    "exporters": set(EXPORTERS),
    "processors": {"cumulative_to_delta", "transform"},
    "extensions": {"sigv4auth", "azure_auth", "googleclientauth"},
}
"""Section -> kinds of component that a vendor file may define; it may have no other section but pipelines."""


def breaches(file: dict[str, Any]) -> list[str]:
    """Return the keys of a vendor *file* that are forbidden there."""
    found = [f"section {name}" for name in file.keys() - ALLOWED.keys() - {"service"}]
    found += [f"service.{name}" for name in file["service"].keys() - {"pipelines"}]
    for section, kinds in ALLOWED.items():
        found += [f"{section} {name}" for name in file.get(section, {}) if name.split("/")[0] not in kinds]
    for name, settings in file.get("exporters", {}).items():
        found += [f"{name}: {key}" for key in settings.keys() - EXPORTERS.get(name.split("/")[0], settings.keys())]
        found += [f"{name}: tls.{key}" for key in settings.get("tls", {}).keys() - TLS]
        found += [f"{name}: http.{key}" for key in settings.get("http", {}).keys() - _HTTP]
    for name, pipeline in file["service"]["pipelines"].items():
        found += [f"{name} receives from {each}" for each in {*pipeline["receivers"]} - {FORWARDS[name.split("/")[0]]}]
        for section in ("exporters", "processors"):
            foreign = {*pipeline.get(section, [])} - file.get(section, {}).keys()
            found += [f"{name} uses {each}, which is not its own" for each in foreign]
    return found


def bypasses(config: dict[str, Any], base: dict[str, Any]) -> list[str]:
    """Return the pipelines, other than the base's and those of inputs, that receive from anything but their forward."""
    inputs = {name for each in INPUTS for name in read(each)["service"]["pipelines"]}
    added = config["service"]["pipelines"].keys() - base["service"]["pipelines"].keys() - inputs
    pipelines = config["service"]["pipelines"]
    return [name for name in added if pipelines[name]["receivers"] != [FORWARDS[name.split("/")[0]]]]


class TestMergedConfiguration:
    """The files in combination: none, each, every pair, all."""

    def test_no_set_of_vendors_changes_anything_of_the_base(self) -> None:
        base = read(None)

        broken = {vendors: found for vendors in covering_sets() if (found := differences(base, merged(vendors)))}

        assert broken == {}

    def test_no_set_of_vendors_gets_past_the_masking(self) -> None:
        base = read(None)

        broken = {vendors: found for vendors in covering_sets() if (found := bypasses(merged(vendors), base))}

        assert broken == {}

    def test_a_vendor_takes_no_pipeline_or_exporter_of_another(self) -> None:
        for section in ("exporters", "processors", "extensions"):
            names = [name for vendor in EVERY_FILE for name in read(vendor).get(section, {})]
            assert len(names) == len(set(names)), section
        pipelines = [name for vendor in EVERY_FILE for name in read(vendor)["service"]["pipelines"]]
        assert len(pipelines) == len(set(pipelines))

    def test_the_checks_see_a_vendor_that_does_harm(self) -> None:
        base = read(None)
        edits_a_list = {"service": {"pipelines": {"traces/in": {"exporters": ["debug"]}}}}
        reads_raw = {"service": {"pipelines": {"traces/x": {"receivers": ["otlp"], "exporters": ["debug"]}}}}
        deletes = {"service": {"extensions": None}}

        assert differences(base, merge(base, edits_a_list)) == ["/service/pipelines/traces/in/exporters"]
        assert bypasses(merge(base, reads_raw), base) == ["traces/x"]
        assert differences(base, merge(base, deletes)) == ["/service/extensions"]


class TestBase:
    """Requirements of the base file."""

    def test_every_signal_is_masked_before_it_is_forwarded(self) -> None:
        pipelines = read(None)["service"]["pipelines"]

        entrances = [*(f"{signal}/in" for signal in FORWARDS), "logs/set_aside"]
        assert {name: pipelines[name]["processors"] for name in entrances} == {
            name: OF_METRICS if name == "metrics/in" else MASKING for name in entrances
        }

    def test_only_the_first_pipelines_receive_from_outside(self) -> None:
        pipelines = read(None)["service"]["pipelines"]

        inside = {*FORWARDS.values(), "forward/traces_all", "span_metrics"}
        assert [name for name, each in pipelines.items() if set(each["receivers"]) - inside] == [
            "traces/in",
            "metrics/in",
            "logs/in",
            "logs/set_aside",
        ]

    def test_a_failing_masking_statement_stops_the_data(self) -> None:
        processors = read(None)["processors"]

        assert [processors[name]["error_mode"] for name in ("transform/expose", "transform/restore")] == [
            "propagate"
        ] * 2

    def test_it_listens_on_the_loopback_unless_told_otherwise(self) -> None:
        text = (ROOT / "collector/config.yaml").read_text("utf-8")

        assert "0.0.0.0" not in text  # noqa: S104 - looked for, not bound
        assert len(re.findall(r"\$\{env:OTELCOL_BIND:-127\.0\.0\.1\}", text)) == 4

    def test_its_receiver_limits_size_streams_and_time_and_answers_no_browser(self) -> None:
        protocols = read(None)["receivers"]["otlp"]["protocols"]

        assert protocols["grpc"].keys() >= {"max_recv_msg_size_mib", "max_concurrent_streams", "keepalive"}
        assert protocols["http"].keys() >= {
            "max_request_body_size",
            "read_header_timeout",
            "read_timeout",
            "keepalive",
        }
        assert "cors" not in protocols["http"]

    def test_its_queues_survive_a_power_cut(self) -> None:
        storage = read(None)["extensions"]["file_storage/queue"]

        assert (storage["fsync"], storage["recreate"]) == (True, True)


@for_each("name", INPUTS)
class TestInput:
    """Requirements of each file that receives from outside."""

    def test_adds_receivers_of_its_own_masks_and_forwards(self, name: str) -> None:
        added = read(name)

        assert added.keys() <= {"receivers", "processors", "service"}
        assert added["receivers"].keys().isdisjoint(read(None)["receivers"])
        for signal, pipeline in added["service"]["pipelines"].items():
            masking = OF_METRICS if signal.startswith("metrics/") else MASKING
            assert set(pipeline["receivers"]) <= added["receivers"].keys()
            assert [each for each in pipeline["processors"] if each in {*MASKING, *OF_METRICS}] == masking
            assert pipeline["processors"][2 - len(masking) :] == masking[2:]
            assert set(pipeline["exporters"]) <= {"forward/traces_all", "forward/metrics", "forward/logs"}

    def test_what_it_cannot_run_without_stands_in_its_header(self, name: str) -> None:
        wanted = set(re.findall(r"\$\{env:([A-Z0-9_]+)\}", path(name).read_text("utf-8")))

        assert set(listed(header(name)["requires"])) == wanted


class TestAgent:
    """The one file whose exporter is not in the native build."""

    def test_knows_every_setting_of_the_exporter_it_names(self) -> None:
        """
        Checked against a list from notes on upstream's page, for lack of the page.

        What stands under ``protocol`` the real collector checks, below.
        """
        balancing = read("scale/agent")["exporters"]["load_balancing/gateway"]

        assert balancing.keys() <= {
            *("protocol", "resolver", "routing_key", "routing_attributes"),
            *("timeout", "sending_queue", "retry_on_failure"),
        }
        assert balancing["routing_key"] == "traceID"
        assert balancing["protocol"].keys() == {"otlp"}
        assert balancing["resolver"].keys() == {"dns"}
        assert balancing["resolver"]["dns"].keys() <= {"hostname", "port", "interval", "timeout"}


HARM: dict[str, dict[str, Any]] = {
    "section receivers": {"receivers": {"otlp/mine": {}}},
    "section connectors": {"connectors": {"forward/mine": {}}},
    "service.extensions": {"service": {"extensions": []}},
    "service.telemetry": {"service": {"telemetry": {"logs": {"level": "debug"}}}},
    "extensions pprof": {"extensions": {"pprof": {}}},
    "processors redaction": {"processors": {"redaction": {"allow_all_keys": True}}},
    "exporters syslog": {"exporters": {"syslog": {}}},
    "otlp_http/otlp: tls": {"exporters": {"otlp_http/otlp": {"tls": {"insecure": True}}}},
    "otlp_grpc/x: tls.insecure_skip_verify": {"exporters": {"otlp_grpc/x": {"tls": {"insecure_skip_verify": True}}}},
    "traces/otlp receives from otlp": {"service": {"pipelines": {"traces/otlp": {"receivers": ["otlp"]}}}},
    "logs/otlp receives from forward/traces": {
        "service": {"pipelines": {"logs/otlp": {"receivers": ["forward/logs", "forward/traces"]}}}
    },
    "logs/otlp uses nop, which is not its own": {"service": {"pipelines": {"logs/otlp": {"exporters": ["nop"]}}}},
    "logs/otlp uses redaction/keys, which is not its own": {
        "service": {"pipelines": {"logs/otlp": {"processors": ["redaction/keys"]}}}
    },
}
"""A fault in a vendor file, and the lines that cause it in ``otlp.yaml``."""


@for_each("said", HARM)
def test_a_vendor_file_that_may_do_harm_is_told(said: str) -> None:
    assert breaches(merge(read("otlp"), HARM[said])) == [said]


@for_each("vendor", [*VENDORS, *OUTPUTS])
class TestVendorFile:
    """Requirements of each file of collector/vendors, and of the files of collector/scale that send."""

    def test_says_nothing_that_a_vendor_file_may_not_say(self, vendor: str) -> None:
        assert breaches(read(vendor)) == []

    def test_header_names_the_extensions_it_defines(self, vendor: str) -> None:
        assert listed(header(vendor)["extensions"]) == list(read(vendor).get("extensions", {}))

    def test_names_its_pipelines_by_signal(self, vendor: str) -> None:
        signals = {name.split("/")[0] for name in read(vendor)["service"]["pipelines"]}

        assert sorted(listed(header(vendor)["signals"])) == sorted(signals)

    def test_header_is_complete(self, vendor: str) -> None:
        found = header(vendor)

        assert tuple(found) == HEADER_KEYS
        assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", found["checked"])
        assert all(url.startswith("https://") for url in listed(found["source"]))
        assert found["temporality"] in {"cumulative", "delta", "delta histograms", "none"}
        assert found["region"] in {"yours", "unknown"} or re.fullmatch(r"(none; )?[A-Z].+", found["region"])

    def test_header_names_every_variable_the_file_reads(self, vendor: str) -> None:
        text = path(vendor).read_text("utf-8")
        without_default = set(re.findall(r"\$\{env:([A-Z0-9_]+)\}", text))
        with_default = set(re.findall(r"\$\{env:([A-Z0-9_]+):-", text)) - {"OTELCOL_BIND", "OTELCOL_QUEUE_BYTES"}
        optional = re.findall(r"([A-Z0-9_]{4,})=", header(vendor)["optional"])

        assert set(listed(header(vendor)["requires"])) == without_default
        assert set(optional) == with_default

    def test_every_exporter_keeps_what_it_cannot_send(self, vendor: str) -> None:
        for name, exporter in read(vendor)["exporters"].items():
            if name.split("/")[0] in {"debug", "prometheus", "file"}:
                continue  # none of them sends anything anywhere
            assert exporter["retry_on_failure"] == {"max_elapsed_time": 0}, name
            if name.startswith("prometheus_remote_write/"):
                # It has no queue on disk but a log of its own, which sends late; counters are right again after a gap.
                assert exporter["remote_write_queue"] == {"enabled": True, "queue_size": 50}
                assert "metrics wait in memory" in header(vendor)["limits"]
                continue
            queue = exporter["sending_queue"]
            assert queue["storage"] == "file_storage/queue", name
            assert queue["sizer"] == "bytes", name
            assert queue.keys() >= {"queue_size", "batch"}, name
            assert queue["batch"]["max_size"] <= 2_000_000, name

    def test_converts_to_delta_exactly_when_the_vendor_wants_it(self, vendor: str) -> None:
        pipelines = read(vendor)["service"]["pipelines"].items()
        converts = any("cumulative_to_delta" in str(each.get("processors")) for _, each in pipelines)

        assert converts == header(vendor)["temporality"].startswith("delta")


@pytest.mark.collector
class TestRealCollector:
    """The collector's own ``validate`` builds the whole graph of components without starting it."""

    @staticmethod
    def refused(vendors: Iterable[str], queue: Path) -> str:
        """Return the collector's complaint about *vendors*, or an empty text."""
        environ = {**SAMPLE_VALUES, "OTELCOL_QUEUE_DIR": str(queue)}
        done = run_once([need(COLLECTOR), "validate", *config_arguments(*vendors)], environ)
        return done.stderr or f"exit {done.returncode}" if done.returncode else ""

    def refusals(self, sets: Iterable[tuple[str, ...]], queue: Path) -> dict[tuple[str, ...], str]:
        """Return which of *sets* the collector refuses; two are asked at a time."""
        with ThreadPoolExecutor(2) as pool:
            answers = pool.map(lambda vendors: (vendors, self.refused(vendors, queue)), sets)
            return {vendors: said for vendors, said in answers if said}

    def test_takes_the_base_each_vendor_and_all(self, tmp_path: Path) -> None:
        assert self.refusals([(), *((name,) for name in BUILDABLE_FILES), BUILDABLE_FILES], tmp_path) == {}

    def test_takes_what_an_agent_says_to_each_gateway(self, tmp_path: Path) -> None:
        """The official image alone has ``load_balancing``: here its inner exporter stands in its place."""
        agent = yaml.safe_load(path("scale/agent").read_text("utf-8"))
        balancing = agent["exporters"].pop("load_balancing/gateway")
        inner = {key: balancing[key] for key in ("sending_queue", "retry_on_failure")} | balancing["protocol"]["otlp"]
        agent["exporters"]["otlp_grpc/each"] = inner | {"endpoint": "127.0.0.1:4327"}
        agent["service"]["pipelines"]["traces/gateway"]["exporters"] = ["otlp_grpc/each"]
        (tmp_path / "agent.yaml").write_text(yaml.safe_dump(agent), "utf-8")
        arguments = [*config_arguments(), f"--config={tmp_path / 'agent.yaml'}"]

        done = run_once(
            [need(COLLECTOR), "validate", *arguments], {**SAMPLE_VALUES, "OTELCOL_QUEUE_DIR": str(tmp_path)}
        )

        assert (done.returncode, done.stderr) == (0, "")

    @pytest.mark.parametrize("vendor", sorted({*EVERY_FILE} - {*BUILDABLE_FILES}))
    def test_lacks_exactly_what_the_header_says(self, vendor: str, tmp_path: Path) -> None:
        """The day the build has it, this fails, and the file is validated like the others."""
        said = self.refused([vendor], tmp_path)

        assert set(re.findall(r'unknown type: "(\w+)"', said)) <= set(listed(header(vendor)["lacking"]))
        assert "unknown type" in said

    def test_a_vendor_more_changes_nothing_that_was_there(self, tmp_path: Path) -> None:
        everything = self.printed(BUILDABLE_FILES, tmp_path)

        alone = {vendor: self.printed([vendor], tmp_path) for vendor in BUILDABLE_FILES}

        assert [vendor for vendor in BUILDABLE_FILES if differences(alone[vendor], everything)] == []
        assert [vendor for vendor in BUILDABLE_FILES if differences(self.printed([], tmp_path), alone[vendor])] == []

    def test_a_vendor_that_changes_another_is_seen(self, tmp_path: Path) -> None:
        (tmp_path / "harm.yaml").write_text("service: {pipelines: {logs/otlp: {exporters: [nop]}}}\n", "utf-8")

        harmed = self.printed(["otlp"], tmp_path, f"--config={tmp_path / 'harm.yaml'}")

        assert differences(self.printed(["otlp"], tmp_path), harmed) == ["/service/pipelines/logs/otlp/exporters"]

    @staticmethod
    def printed(vendors: Iterable[str], queue: Path, *more: str) -> dict[str, Any]:
        """Return the configuration as the collector itself merged and expanded it."""
        environ = {**SAMPLE_VALUES, "OTELCOL_QUEUE_DIR": str(queue)}
        done = run_once([need(COLLECTOR), "print-config", *config_arguments(*vendors), *more], environ)
        config: dict[str, Any] = yaml.safe_load(done.stdout)
        assert "traces/in" in config["service"]["pipelines"], done.stderr
        return config

    def test_refuses_a_forward_that_nobody_receives(self, tmp_path: Path) -> None:
        only_sink = "yaml:service::pipelines::logs/sink::receivers: [forward/metrics]"
        arguments = [*config_arguments(), f"--config={only_sink}"]

        done = run_once([need(COLLECTOR), "validate", *arguments], {"OTELCOL_QUEUE_DIR": str(tmp_path)})

        assert "not used in any supported" in done.stderr

    def test_starts_without_a_word_about_deprecation(self, tmp_path: Path) -> None:
        """Every kind of component but Kafka's: at its stop, Kafka's exporter waits for the broker."""
        (scrape,) = free_ports(1)
        environ = {**SAMPLE_VALUES, "OTELCOL_SCRAPE_PORT": str(scrape)}
        vendors = ("datadog", "debug", "jaeger", "otlp", "prometheus-scrape")

        with run_collector(*vendors, environ=environ, folder=tmp_path) as collector:
            # The health check answers a moment before.
            wait_until(lambda: "Everything is ready" in collector.log.read_text())
            log = collector.log.read_text()

        assert [line for line in log.splitlines() if re.search("deprecat|alias|unset|empty env", line)] == []
