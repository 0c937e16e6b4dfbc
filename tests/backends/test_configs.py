"""Each backend's own checker takes the file that ships, as compose and the native stack run it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml
from binaries import ROOT, need, run_once
from rows import for_each

if TYPE_CHECKING:
    from pathlib import Path

BACKENDS = ROOT / "backends"


def read(path: str) -> Any:
    return yaml.safe_load((BACKENDS / path).read_text("utf-8"))


@pytest.mark.backend
class TestTheirOwnCheckers:
    """promtool, amtool, and the checks of Loki and Tempo."""

    def test_prometheus(self) -> None:
        done = run_once([need("promtool"), "check", "config", "--lint-fatal", BACKENDS / "prometheus/prometheus.yml"])

        assert done.returncode == 0, done.stderr

    def test_alertmanager(self) -> None:
        done = run_once([need("amtool"), "check-config", BACKENDS / "alertmanager/alertmanager.yml"])

        assert done.returncode == 0, done.stderr

    def test_loki(self, tmp_path: Path) -> None:
        arguments = ["-verify-config", "-config.expand-env=true", f"-config.file={BACKENDS / 'loki/loki.yaml'}"]

        done = run_once([need("loki"), *arguments], {"LOKI_DATA": str(tmp_path)})

        assert done.returncode == 0, done.stderr

    def test_tempo(self, tmp_path: Path) -> None:
        arguments = ["-config.verify", "-config.expand-env=true", f"-config.file={BACKENDS / 'tempo/tempo.yaml'}"]

        done = run_once([need("tempo"), *arguments], {"TEMPO_DATA": str(tmp_path)})

        assert done.returncode == 0, done.stderr


class TestPrometheus:
    """The design's requirements of Prometheus."""

    def test_takes_what_a_day_of_queue_may_bring(self) -> None:
        assert read("prometheus/prometheus.yml")["storage"]["tsdb"]["out_of_order_time_window"] == "24h"

    def test_shows_the_instance_once(self) -> None:
        otlp = read("prometheus/prometheus.yml")["otlp"]

        assert otlp["keep_identifying_resource_attributes"]
        assert "deployment.environment.name" in otlp["promote_resource_attributes"]
        assert "service.instance.id" not in otlp["promote_resource_attributes"]

    @for_each("folder, is_right", [("targets", "127.0.0.1"), ("targets-compose", "")])
    def test_every_target_file_is_there_for_both_ways_to_run(self, folder: str, is_right: str) -> None:
        config = read("prometheus/prometheus.yml")
        named = [*config["alerting"]["alertmanagers"], *config["scrape_configs"]]
        files = [file for each in named for sd in each["file_sd_configs"] for file in sd["files"]]

        for file in files:
            name = file.removeprefix("targets/")
            groups = read(f"prometheus/{folder}/{name}")
            # Containers have Loki for it.
            assert groups or (folder, name) == ("targets-compose", "victorialogs.yml")
            for target in [target for group in groups for target in group["targets"]]:
                assert target.startswith(is_right or name.removesuffix(".yml") + ":")


class TestLoki:
    """The design's requirements of Loki."""

    def test_indexes_three_labels_and_no_identifier(self) -> None:
        attributes = read("loki/loki.yaml")["limits_config"]["otlp_config"]["resource_attributes"]

        assert attributes["ignore_defaults"]
        assert attributes["attributes_config"] == [
            {
                "action": "index_label",
                "attributes": ["service.name", "service.namespace", "deployment.environment.name"],
            }
        ]

    def test_finds_what_its_ingester_still_holds(self) -> None:
        loki = read("loki/loki.yaml")

        assert loki["ingester"]["max_chunk_age"] == "48h"
        assert loki["querier"]["query_ingesters_within"] == 0


class TestTempo:
    """The design's requirements of Tempo 3."""

    def test_has_no_block_that_tempo_3_removed(self) -> None:
        removed = {"ingester", "ingester_client", "compactor", "metrics_generator_client", "ingest"}

        assert not removed & read("tempo/tempo.yaml").keys()


class TestGrafana:
    """Links between the signals, by fixed uids."""

    SOURCES = "grafana/provisioning/datasources/whatsself.yaml"

    def test_uids_are_fixed(self) -> None:
        sources = read(self.SOURCES)["datasources"]

        assert {each["type"]: each["uid"] for each in sources} == {
            kind: kind for kind in ("prometheus", "loki", "tempo", "alertmanager")
        }

    def test_metric_leads_to_trace_to_log_and_back(self) -> None:
        sources = {each["uid"]: each["jsonData"] for each in read(self.SOURCES)["datasources"]}

        assert sources["prometheus"]["exemplarTraceIdDestinations"] == [{"name": "trace_id", "datasourceUid": "tempo"}]
        assert sources["tempo"]["tracesToLogsV2"]["datasourceUid"] == "loki"
        assert 'trace_id="$${__trace.traceId}"' in sources["tempo"]["tracesToLogsV2"]["query"]
        assert sources["tempo"]["tracesToMetrics"]["datasourceUid"] == "prometheus"
        assert sources["tempo"]["serviceMap"]["datasourceUid"] == "prometheus"
        field, *_ = sources["loki"]["derivedFields"]
        assert (field["matcherType"], field["matcherRegex"], field["datasourceUid"]) == ("label", "trace_id", "tempo")
