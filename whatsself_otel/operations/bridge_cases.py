"""Tests of the rules about the bridge."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whatsself_otel.operations.cases import BOUNDARY, FIRING, HEALTHY, Case, flat, named, service

if TYPE_CHECKING:
    from collections.abc import Iterator


def cases() -> Iterator[Case]:
    """Return every test of these rules."""
    away = "WhatsSelfBridgeTargetAway"
    oldest, other = (named("bridge_queue_oldest_age_seconds", instance=instance) for instance in ("a", "b"))
    waits = {**service(), oldest: flat((10, 0), (30, 301), (30, 0))}
    yield Case(rule=away, kind=FIRING, title="a request waits for over five minutes", series=waits, at={20: 1})
    yield Case(rule=away, kind=BOUNDARY, title="holds for two minutes", series=waits, at={11.5: 0, 12.5: 1})
    yield Case(rule=away, kind=BOUNDARY, title="outlives the drain by two minutes", series=waits, at={41.5: 1, 43: 0})
    brief = {**service(), oldest: flat((40, 300)), other: flat((40, 0))}
    yield Case(rule=away, kind=HEALTHY, title="five minutes, and another bridge is well", series=brief, at={30: 0})
    two = {**service(), oldest: flat((40, 400)), other: flat((40, 0))}
    yield Case(rule=away, kind=BOUNDARY, title="one of two bridges waits", series=two, at={30: 1})
