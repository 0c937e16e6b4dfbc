"""Prometheus sees, by the shipped rule, data that an exporter drops without counting."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml
from binaries import ROOT, post_otlp, run_collector
from fault_rig import QUICK, numbered
from otlp_sink import run_sink
from prometheus_server import run_prometheus, wait_until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.backend

BALANCE = "whatsself:collector_accepted_minus_sent:items"
GATED = ("otlp", "honeycomb")


def balance() -> str:
    """Return the expression that ships for spans."""
    groups = yaml.safe_load((ROOT / "backends/prometheus/rules/machinery.yml").read_text("utf-8"))["groups"]
    rules = [rule for group in groups for rule in group["rules"] if rule.get("record") == BALANCE]
    return str(next(rule["expr"] for rule in rules if rule["labels"] == {"signal": "traces"}))


@pytest.mark.parametrize("gated", [(), GATED], ids=["as they are", "behind gates"])
def test_a_batch_that_an_exporter_drops_is_missing_in_accepted_minus_sent(
    tmp_path: Path, gated: tuple[str, ...]
) -> None:
    """One attribute that is a list of 2.5 MB is the record that nothing recognises before."""
    request = numbered(40, 1)
    flags = request.resource_spans[0].scope_spans[0].spans[0].attributes.add(key="list").value.array_value
    for _ in range(700_000):
        flags.values.add().bool_value = True
    with run_sink() as sink, run_sink() as other:
        environ = {"OTLP_ENDPOINT": sink.url, "HONEYCOMB_ENDPOINT": other.url, "HONEYCOMB_API_KEY": "k"}
        with (
            run_collector(*GATED, environ=environ, folder=tmp_path, settings=QUICK, gated=gated) as it,
            run_prometheus(tmp_path, scrape=it.metrics_url.split("/")[2]) as prometheus,
        ):
            post_otlp(f"{it.http_url}/v1/traces", numbered(0, 40))
            wait_until(lambda: len(sink.spans()) == len(other.spans()) == 40)
            wait_until(lambda: prometheus.value(balance()) == 0)
            whole = prometheus.value(balance())
            post_otlp(f"{it.http_url}/v1/traces", request)
            wait_until(lambda: prometheus.value(balance()) == 2)
            missing = prometheus.value(balance())

    assert (whole, missing) == (0, 2)
