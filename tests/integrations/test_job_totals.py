"""Fifty jobs and two workers: `increase()` of the real Prometheus gives the number of jobs."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import celery_shop
import pytest
import rq_shop
from prometheus_server import Prometheus, run_prometheus, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from job_queue import Shop

pytestmark = [pytest.mark.backend, pytest.mark.skipif(not hasattr(os, "fork"), reason="both fork")]

JOBS = 50
SERIES = 'messages_outbound_total{origin="reply"}'


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    with run_prometheus(tmp_path_factory.mktemp("prometheus")) as running:
        yield running


def variables(prometheus: Prometheus, service: str) -> dict[str, str]:
    return {
        "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": f"{prometheus.url}/api/v1/otlp/v1/metrics",
        "OTEL_METRIC_EXPORT_INTERVAL": "500",
        "OTEL_TRACES_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_SERVICE_NAME": service,
    }


def increases(prometheus: Prometheus, service: str) -> dict[str, float]:
    """Return the increase of each instance, over a range that ends with its last sample: nothing is extrapolated."""
    name = SERIES.replace("}", f',job="{service}"}}')
    found: dict[str, float] = {}
    for series in prometheus.query(f"{name}[10m]"):
        instance, last_s = series["metric"]["instance"], series["values"][-1][0]
        of_instance = name.replace("}", f',instance="{instance}"}}')
        found[instance] = prometheus.value(f"increase({of_instance}[10m] @ {last_s})") or 0.0
    return {instance: value for instance, value in found.items() if value}


class TestIncrease:
    def test_over_the_work_horses_of_two_rq_workers_is_the_number_of_jobs(
        self, shop: Shop, prometheus: Prometheus
    ) -> None:
        rq_shop.write(shop)
        environ = variables(prometheus, "rq")
        shop.run("producer.py", json.dumps([["answer", f"contact-{number}", {}] for number in range(JOBS)]), **environ)
        command = (*rq_shop.WORKER, "--burst", "--url", shop.redis)
        with shop.started(*command, **environ), shop.started(*command, **environ):
            pass
        wait_until(lambda: sum(increases(prometheus, "rq").values()) >= JOBS)

        assert sum(increases(prometheus, "rq").values()) == JOBS
        assert len(increases(prometheus, "rq")) == 2

    def test_over_processes_for_one_task_of_two_celery_workers_is_the_number_of_tasks(
        self, shop: Shop, prometheus: Prometheus
    ) -> None:
        celery_shop.write(shop)
        environ = variables(prometheus, "celery")
        command = (*celery_shop.WORKER, "--max-tasks-per-child", "1", "--hostname")
        with shop.running(*command, "one@test", **environ), shop.running(*command, "two@test", **environ):
            shop.run("producer.py", json.dumps(JOBS * [["answer"]]), **environ)
        wait_until(lambda: sum(increases(prometheus, "celery").values()) >= JOBS)

        assert sum(increases(prometheus, "celery").values()) == JOBS
        assert len(increases(prometheus, "celery")) == 2
