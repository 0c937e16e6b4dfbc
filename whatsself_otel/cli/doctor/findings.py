"""Findings of the doctor: one a check, with cause and fix."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

State = Literal["ok", "warning", "fault", "skipped"]
SIGNALS: Final = ("traces", "logs", "metrics")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """
    The result of one check.

    Args:
        check: Name of the check; several findings may share it.
        state: ok, warning (works, but not well), fault (does not work) or skipped.
        cause: What was seen, without secrets and personal data.
        fix: What to do about it; empty when nothing is to be done.
    """

    check: str
    state: State
    cause: str
    fix: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return dataclasses.asdict(self)


def ok(check: str, cause: str) -> Finding:
    """Return that *check* found nothing wrong."""
    return Finding(check=check, state="ok", cause=cause)


def warning(check: str, cause: str, fix: str) -> Finding:
    """Return that *check* found something that works, but not well."""
    return Finding(check=check, state="warning", cause=cause, fix=fix)


def fault(check: str, cause: str, fix: str) -> Finding:
    """Return that *check* found something that does not work."""
    return Finding(check=check, state="fault", cause=cause, fix=fix)


def skipped(check: str, cause: str, fix: str = "") -> Finding:
    """Return that *check* could not be made."""
    return Finding(check=check, state="skipped", cause=cause, fix=fix)


def is_well(findings: Sequence[Finding]) -> bool:
    """Return whether nothing is broken; warnings do not count."""
    return all(finding.state != "fault" for finding in findings)


def is_proven(findings: Sequence[Finding]) -> bool:
    """Return whether every check was made, and of the queues nothing is to be said."""
    open_states = {"queue": {"warning", "skipped"}}
    return all(finding.state not in open_states.get(finding.check, {"skipped"}) for finding in findings)
