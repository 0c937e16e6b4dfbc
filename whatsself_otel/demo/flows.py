"""Which trigger an inbound text fires, and which steps of a flow then run by themselves."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from whatsself_otel.demo.models import FlowStep, Trigger

MAX_AUTO_STEPS: Final = 20
"""Steps a flow may take without an answer from the contact; WhatsSelf's own rule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowRun:
    """What one start or answer makes a flow do."""

    steps: tuple[FlowStep, ...]
    """Steps in order of sending; the last one waits if `waits_at` is set."""
    waits_at: str | None = None
    """Key of the step whose question is now open."""
    is_cut: bool = False
    """Whether the limit on automatic steps ended it."""


def match_trigger(body: str, triggers: Sequence[Trigger]) -> Trigger | None:
    """Return the trigger whose keyword is a word of *body*; case and accents do not matter."""
    words = {_plain(word).strip(".,;:!?") for word in body.split()}
    return next((trigger for trigger in triggers if trigger.keyword in words), None)


def plan_run(steps: Mapping[str, FlowStep], start: str | None) -> FlowRun:
    """
    Follow *steps* from *start* until one waits for an answer, the flow ends, or it has run too long.

    Args:
        steps: All steps of the flow, by key.
        start: Key of the first step; ``None`` when there is none left.
    """
    taken: list[FlowStep] = []
    for step in _walk(steps, start):
        if len(taken) == MAX_AUTO_STEPS:
            return FlowRun(steps=tuple(taken), is_cut=True)
        taken.append(step)
        if step.waits:
            return FlowRun(steps=tuple(taken), waits_at=step.key)
    return FlowRun(steps=tuple(taken))


def first_key(steps: Mapping[str, FlowStep]) -> str | None:
    """Return the key of the step that no other step leads to; a round has none, so its first one starts it."""
    followers = {step.next_key for step in steps.values()}
    return next((key for key in steps if key not in followers), next(iter(steps), None))


def _walk(steps: Mapping[str, FlowStep], start: str | None) -> Iterator[FlowStep]:
    key = start
    while key is not None and key in steps:
        yield steps[key]
        key = steps[key].next_key


def _plain(word: str) -> str:
    decomposed = unicodedata.normalize("NFKD", word.casefold())
    return "".join(character for character in decomposed if not unicodedata.combining(character))
