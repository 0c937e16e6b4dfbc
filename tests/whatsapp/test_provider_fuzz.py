"""Unforeseen payloads raise nothing, show nothing personal, and cost time in proportion to their size."""

from __future__ import annotations

import copy
import dataclasses
import json
import re
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from provider_fixtures import PROVIDERS, fixture, load
from readings import read_values
from rows import for_each
from whatsapp_bench import Bench, as_bytes

PHONE, BODY, TOKEN = "5511900000777", "Corpo Secreto 42", "EAAGtokenSecreto9"
PERSONAL = re.compile(r"5511900000[0-9]{3}|secreto|inventad|fulana|beltrano|wamid\.|@s\.whatsapp\.net|@c\.us", re.I)  # noqa: FURB167
"""Texts that must not come out. Operators name sessions and templates, so those may hold any words."""
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1e308, 10**30, "", " ", "0", [], {}, [[]], [None], {"a": {"b": []}}),
    *(PHONE, f"+{PHONE}", int(PHONE), f"{PHONE}@s.whatsapp.net", f"{PHONE}@c.us", BODY, TOKEN, "x" * 600),
    *("\x00", "\ud800", "1e999", "NaN", "9" * 40, "2026-11-30T00:00:00", "messages", "status@broadcast"),
    *({"low": PHONE}, {"id": BODY}, {"code": 131026}, {"error": {"code": TOKEN}}, [{"status": "failed"}]),
)
OPERATIONS = ("replace", "remove", "wrap", "repeat", "rename")
MUTATIONS = st.lists(
    st.tuples(st.sampled_from(OPERATIONS), st.integers(0, 10_000), st.integers(0, len(VALUES) - 1)),
    min_size=1,
    max_size=4,
)


def places(value: Any, found: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """Return container and key of each value inside *value*."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in pairs:
        found.append((value, key))
        places(item, found)
    return found


def mutate(payload: Any, mutations: list[tuple[str, int, int]]) -> Any:
    for operation, place, which in mutations:
        found = places(payload, [])
        if not found:
            break
        owner, key = found[place % len(found)]
        value = copy.deepcopy(VALUES[which])
        if operation == "remove":
            del owner[key]
        elif operation == "rename" and isinstance(owner, dict):
            owner[str(value)[:40]] = owner.pop(key)
        else:
            owner[key] = {"wrap": [owner[key]], "repeat": [owner[key]] * 3}.get(operation, value)
    return payload


class Sieve:
    """One process that gets every payload, and all its output."""

    def __init__(self, provider: str) -> None:
        self.provider = provider
        self.payloads = [found.payload for found in load(provider)]
        self.bench = Bench()

    def tell(self, index: int, mutations: list[tuple[str, int, int]]) -> None:
        payload = mutate(copy.deepcopy(self.payloads[index % len(self.payloads)]), mutations)
        events = self.bench.observe(payload, provider=self.provider)
        self.bench.observe(payload)
        answered = self.bench.whatsapp.observe_send(payload)
        for event in [*events, *([] if answered is None else [answered])]:
            shown = {**dataclasses.asdict(event), "session": None, "template": None}
            assert not PERSONAL.search(repr(shown)), shown
            assert PHONE not in str(event.session)

    def check(self) -> None:
        values = read_values(self.bench.reader)
        operators = ("session", "template")
        labels = [
            {key: value for key, value in series if key not in operators} for name in values for series in values[name]
        ]
        assert not PERSONAL.search(repr(labels))
        assert not re.search(r"5511900000[0-9]{3}", repr(values))
        assert self.bench.total("telemetry.errors", component="whatsapp") == 0
        assert self.bench.total("telemetry.errors", component="metrics") == 0


def run(provider: str, cases: int) -> None:
    sieve = Sieve(provider)

    @settings(
        max_examples=cases, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
    )
    @given(index=st.integers(0, 1000), mutations=MUTATIONS)
    def case(index: int, mutations: list[tuple[str, int, int]]) -> None:
        sieve.tell(index, mutations)

    case()
    sieve.check()


@for_each("provider", PROVIDERS)
def test_two_thousand_mutations_of_each_provider(provider: str) -> None:
    run(provider, 2_000)


@pytest.mark.proof
@pytest.mark.parametrize("provider", PROVIDERS)
def test_twenty_thousand_mutations_of_each_provider(provider: str) -> None:
    run(provider, 20_000)


def cut(provider: str, name: str) -> None:
    body = as_bytes(fixture(provider, name))
    bench = Bench()
    for end in range(0, len(body), 7):
        bench.observe(body[:end])
    assert bench.total("webhook.events") == 0
    assert bench.total("webhook.rejected") == len(range(0, len(body), 7))


@for_each("provider, name", [("cloud_api", "message_text"), ("waha", "message_noweb")])
def test_a_body_cut_in_the_middle_is_malformed_wherever(provider: str, name: str) -> None:
    cut(provider, name)


def seconds_for(messages: int) -> float:
    payload = fixture("baileys", "upsert_text")
    first = payload["data"]["messages"][0]
    payload["data"]["messages"] = [{**first, "key": {**first["key"], "id": f"N{number}"}} for number in range(messages)]
    body, best_s = as_bytes(payload), 1e9
    for _ in range(3):
        bench = Bench()
        started_s = time.process_time()
        assert len(bench.observe(body)) == messages
        best_s = min(best_s, time.process_time() - started_s)
    return best_s


def test_time_is_linear_in_the_size_of_a_payload() -> None:
    assert seconds_for(4_000) < 12 * seconds_for(1_000)


def test_the_mutations_reach_every_kind_of_damage() -> None:
    payload = fixture("waha", "message_noweb")
    kept = json.dumps(payload)
    for number, operation in enumerate(OPERATIONS):
        assert json.dumps(mutate(json.loads(kept), [(operation, number, 15)])) != kept
