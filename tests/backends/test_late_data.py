"""What waited in the collector's queue while a backend was away is taken, and found, when it is back."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest
from binaries import get, post_otlp
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from shipped_backends import run_shipped_loki, run_shipped_prometheus, run_shipped_victorialogs

if TYPE_CHECKING:
    from pathlib import Path

LATE_S = 20 * 3600
"""Within the day that the configurations promise."""


def log(age_s: float) -> ExportLogsServiceRequest:
    request = ExportLogsServiceRequest()
    owner = request.resource_logs.add()
    owner.resource.attributes.add(key="service.name").value.string_value = "whatsself"
    record = owner.scope_logs.add().log_records.add(time_unix_nano=time.time_ns() - int(age_s * 1e9))
    record.body.string_value = f"{age_s:.0f} s late"
    return request


def gauge(age_s: float) -> ExportMetricsServiceRequest:
    request = ExportMetricsServiceRequest()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="queue.depth")
    metric.gauge.data_points.add(as_int=7, time_unix_nano=time.time_ns() - int(age_s * 1e9))
    return request


@pytest.mark.backend
class TestLateData:
    """Late entries of a series or stream that has newer ones already."""

    def test_loki_takes_a_line_20_hours_behind_its_stream(self, tmp_path: Path) -> None:
        with run_shipped_loki(tmp_path) as url:
            for age_s in (0, LATE_S):
                post_otlp(f"{url}/otlp/v1/logs", log(age_s))
            start = time.time() - LATE_S - 60
            query = f"query=%7Bservice_name%3D%22whatsself%22%7D&start={start}&end={start + 120}"
            answer = json.loads(get(f"{url}/loki/api/v1/query_range?{query}") or b"{}")

        lines = [line for stream in answer["data"]["result"] for _, line in stream["values"]]
        assert lines == [f"{LATE_S} s late"]

    def test_victorialogs_takes_a_line_20_hours_behind_its_stream(self, tmp_path: Path) -> None:
        with run_shipped_victorialogs(tmp_path) as victorialogs:
            for age_s in (0, LATE_S):
                post_otlp(f"{victorialogs.otlp}/v1/logs", log(age_s))
            deadline_s = time.monotonic() + 10
            while len(rows := victorialogs.rows('{service.name="whatsself"}')) < 2:
                assert time.monotonic() < deadline_s
                time.sleep(0.1)

        assert sorted(row["_msg"] for row in rows) == ["0 s late", f"{LATE_S} s late"]

    def test_prometheus_takes_a_sample_20_hours_behind_its_series(self, tmp_path: Path) -> None:
        with run_shipped_prometheus(tmp_path) as url:
            for age_s in (0, LATE_S):
                post_otlp(f"{url}/api/v1/otlp/v1/metrics", gauge(age_s))
            at = time.time() - LATE_S + 30
            answer = json.loads(get(f"{url}/api/v1/query?query=queue_depth&time={at}") or b"{}")

        assert [series["value"][1] for series in answer["data"]["result"]] == ["7"]
