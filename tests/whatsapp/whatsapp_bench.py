"""A provider's side of a test: instruments, a clock that is moved, and payloads made from the fixtures."""

from __future__ import annotations

import copy
import json
from typing import Any

from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from provider_fixtures import fixture
from readings import read_values

from whatsself_otel.metrics.cardinality import BoundedMeterProvider
from whatsself_otel.metrics.recording import WhatsSelfMetrics
from whatsself_otel.metrics.state import MetricsConfig
from whatsself_otel.whatsapp.config import WhatsAppConfig
from whatsself_otel.whatsapp.observe import WhatsApp

T0 = 1_796_000_000.0


class Bench:
    """Instruments of one process, and the reader of its webhooks."""

    def __init__(self, config: WhatsAppConfig | None = None, *, repeats_url: str | None = None, **options: Any) -> None:
        self.now_s = T0
        self.reader = InMemoryMetricReader()
        self.provider = BoundedMeterProvider([self.reader], shutdown_on_exit=False)
        self.metrics = WhatsSelfMetrics(
            self.provider.get_meter("whatsself_otel"),
            clock=self.clock,
            config=MetricsConfig(**options),
            repeats_url=repeats_url,
        )
        self.whatsapp = WhatsApp(self.metrics, config=config, clock=self.clock)

    def clock(self) -> float:
        return self.now_s

    def observe(self, payload: Any, **options: Any) -> list[Any]:
        return self.whatsapp.observe(payload, **options)

    def total(self, name: str, **attributes: Any) -> float:
        """Return the sum over the series that have *attributes*; of a histogram the count."""
        series = read_values(self.reader).get(name, {})
        found = [value for key, value in series.items() if attributes.items() <= dict(key).items()]
        return float(sum(value[0] if isinstance(value, tuple) else value for value in found))

    def histogram(self, name: str) -> tuple[int, float]:
        """Return count and sum over all series."""
        found = list(read_values(self.reader).get(name, {}).values())
        return sum(count for count, _ in found), sum(total for _, total in found)


def wamid(number: int) -> str:
    return f"wamid.TESTE{number:06d}"


def phone(number: int) -> str:
    return f"5511900000{number:03d}"


def message(number: int, *, who: int = 1, at: float = T0, **more: Any) -> dict[str, Any]:
    """Return a message to the business by the Cloud API."""
    payload = fixture("cloud_api", "message_text")
    value = payload["entry"][0]["changes"][0]["value"]
    value["contacts"][0]["wa_id"] = phone(who)
    value["messages"][0].update({"id": wamid(number), "from": phone(who), "timestamp": str(int(at)), **more})
    return payload


def status(number: int, kind: str, *, who: int = 1, at: float = T0, code: int | None = None) -> dict[str, Any]:
    """Return a status of a message of the business by the Cloud API."""
    payload = fixture("cloud_api", "status_sent")
    found = payload["entry"][0]["changes"][0]["value"]["statuses"][0]
    found.update({"id": wamid(number), "status": kind, "timestamp": str(int(at)), "recipient_id": phone(who)})
    if code is not None:
        found["errors"] = [{"code": code}]
    return payload


def graph_answer(number: int, *, who: int = 1) -> dict[str, Any]:
    """Return what Graph answers to a message that it takes."""
    contacts = [{"input": phone(who), "wa_id": phone(who)}]
    return {"messaging_product": "whatsapp", "contacts": contacts, "messages": [{"id": wamid(number)}]}


def connection(state: str, reason: int = 200, *, session: str = "loja-centro") -> dict[str, Any]:
    """Return a ``connection.update`` of Evolution API."""
    payload = fixture("evolution", "connection_open_200")
    payload["instance"] = payload["data"]["instance"] = session
    payload["data"].update({"state": state, "statusReason": reason})
    return payload


def as_bytes(payload: Any) -> bytes:
    return json.dumps(payload).encode()


def clone(payload: Any) -> Any:
    return copy.deepcopy(payload)
