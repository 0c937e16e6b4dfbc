"""
The files of ``collector/vendors``: their headers, and whether their variables are set.

A header is the comment lines at the beginning of a file: one sentence, then ``# key: value`` lines, then notes after a
bare ``#``. It is read as text, because YAML is not among the base dependencies. The collector reads the rest.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from whatsself_otel.stack.errors import WRONG_USE, CommandError, unknown_name
from whatsself_otel.stack.files import shipped

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_NONE: Final = "none"
# The default of collector/config.yaml: a list replaces a list, so that one extension more means all of them again.
EXTENSIONS: Final = ("health_check", "file_storage/queue")
"""Extensions that the base starts."""
OFFICIAL: Final = "the native build lacks {}: use --container, or OTELCOL_BIN=/path/to/otelcol-contrib"
_PLACEHOLDER: Final = re.compile(
    r"<.*>|\[.*here\]|\$\{.*\}|%.*%|\.{3}|x{3,}|\*+|(change|replace|fill|fix)[-_ ]?(me|it|this|in)?"
    r"|(your|my|insert|put|enter)[-_ ].*|.*[-_ ]goes[-_ ]here|to[-_ ]?do|tbd|none|null|undefined"
    r"|placeholder|dummy|example|secret|token|password|key|api[-_ ]?key",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """One vendor file, as its header describes it."""

    name: str
    path: Path
    summary: str
    signals: tuple[str, ...]
    requires: tuple[str, ...]
    """Variables that the file needs before it can send."""
    optional: Mapping[str, str]
    """Variable -> default, for those that have one."""
    facts: Mapping[str, str]
    """The other lines: temporality, limits, source, checked."""
    extensions: tuple[str, ...] = ()
    """Extensions that the file defines and the collector has to start."""
    lacking: tuple[str, ...] = ()
    """Components that the native build lacks."""
    full: str = _NONE
    """Behaviour when its queue is full: ``refuse`` the sender, or ``drop`` at a gate so that no other backend waits."""
    notes: tuple[str, ...] = ()

    @property
    def is_backend(self) -> bool:
        """Whether it sends anywhere; a source, a gateway and an overlay do not."""
        return self.full != _NONE


def names() -> list[str]:
    """Return the names of all vendor files."""
    return sorted(path.stem for path in shipped("collector/vendors").glob("*.yaml"))


def load(name: str) -> Vendor:
    """
    Return the vendor file *name*.

    Raises:
        CommandError: There is no such file; the message names the nearest.
    """
    known = names()
    if name not in known:
        raise unknown_name("vendor", name, known)
    return read(shipped(f"collector/vendors/{name}.yaml"))


_FOLDERS: Final = {"source": "collector/sources", "scale": "collector/scale"}


def part_names(kind: str) -> list[str]:
    """Return the names of all files of one *kind*: ``source`` or ``scale``."""
    return sorted(path.stem for path in shipped(_FOLDERS[kind]).glob("*.yaml"))


def part(kind: str, name: str) -> Vendor:
    """
    Return the file *name* of one *kind* (``source`` or ``scale``), whose header reads like a vendor's.

    Raises:
        CommandError: There is no such file; the message names the nearest.
    """
    known = part_names(kind)
    if name not in known:
        raise unknown_name(kind, name, known)
    return read(shipped(f"{_FOLDERS[kind]}/{name}.yaml"))


def overlay(name: str) -> Vendor:
    """Return the file of ``collector/`` that changes the base itself: ``secure``, ``sampling`` or ``own-log``."""
    return read(shipped(f"collector/{name}.yaml"))


def read(path: Path) -> Vendor:
    """Return the vendor that the header of the file at *path* describes."""
    return parse(path.stem, path, path.read_text("utf-8"))


def parse(name: str, path: Path, text: str) -> Vendor:
    """Return the vendor that the header of *text* describes."""
    comments = [line.lstrip("#").strip() for line in takewhile(lambda line: line.startswith("#"), text.splitlines())]
    head = list(takewhile(bool, comments))
    facts = dict(_facts(head))
    return Vendor(
        name=name,
        path=path,
        summary=head[0] if head else "",
        signals=_listed(facts.pop("signals", _NONE)),
        requires=_listed(facts.pop("requires", _NONE)),
        optional=dict(_defaults(facts.pop("optional", _NONE))),
        extensions=_listed(facts.pop("extensions", _NONE)),
        lacking=_listed(facts.pop("lacking", _NONE)),
        full=facts.pop("full", _NONE),
        facts=facts,
        notes=tuple(comments[len(head) + 1 :]),
    )


def _facts(lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        if found := re.fullmatch(r"([a-z]+): (.+)", line):
            yield found[1], found[2]


def _listed(value: str) -> tuple[str, ...]:
    return () if value == _NONE else tuple(part.strip() for part in value.split(","))


def _defaults(value: str) -> Iterator[tuple[str, str]]:
    if value == _NONE:
        return
    # A default may hold commas itself; only one before NAME= separates.
    for part in re.split(r",\s*(?=[A-Z][A-Z0-9_]*(?:=|,|$))", value):
        variable, _, default = part.partition("=")
        yield variable.strip(), default


def value_of(variable: str, environ: Mapping[str, str] = os.environ) -> str | None:
    """
    Return the value of *variable*, else the content of the file that ``<variable>_FILE`` names.

    Raises:
        CommandError: That file cannot be read.
    """
    if (value := environ.get(variable)) is not None:
        return value
    if path := environ.get(f"{variable}_FILE"):
        try:
            return Path(path).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(
                f"{variable}_FILE names {path!r}, which cannot be read ({type(error).__name__}).", status=WRONG_USE
            ) from None
    return None


def problem(variable: str, environ: Mapping[str, str] = os.environ) -> str | None:
    """Return the problem with a required variable, without its value, or None."""
    value = value_of(variable, environ)
    is_file = variable.endswith("_FILE")
    if value is None:
        other = "" if is_file else f", or {variable}_FILE to a file that holds it"
        return f"{variable} is not set. Set it{other}."
    if not value.strip():
        return f"{variable} is empty. Give it its value."
    if value != value.strip() or not value.isprintable():
        return f"{variable} has a space at an end, or a line break. Take it away."
    if _PLACEHOLDER.fullmatch(value):
        return f"{variable} is still a placeholder. Give it its real value."
    if is_file and not os.access(value, os.R_OK):
        return f"{variable} names {value!r}, which cannot be read. Name a file that can."
    return None


def _empty(variable: str, environ: Mapping[str, str]) -> str | None:
    # For the collector a variable that is set has a value, even an empty one: its default would not apply.
    if (value := value_of(variable, environ)) is None or value.strip():
        return None
    return f"{variable} is set and empty. Unset it for its default, or give it a value."


def problems(vendors: Iterable[Vendor], environ: Mapping[str, str] = os.environ) -> list[str]:
    """Return every problem with the variables of *vendors*, each with the vendor's name."""
    return [
        f"{vendor.name}: {found}"
        for vendor in vendors
        for found in (
            *(problem(variable, environ) for variable in vendor.requires),
            *(_empty(variable, environ) for variable in vendor.optional),
        )
        if found
    ]


def check(vendors: Iterable[Vendor], environ: Mapping[str, str] = os.environ) -> None:
    """
    Check that the variables of *vendors* are set, before anything starts.

    Raises:
        CommandError: Variables are missing, empty or placeholders; the message names each.
    """
    if found := problems(vendors, environ):
        raise CommandError("The collector was not started:\n  " + "\n  ".join(found), status=WRONG_USE)


def variables(vendors: Iterable[Vendor], environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """
    Return the set variables of *vendors* as the collector needs them: files read, values literal.

    The collector expands ``$`` once more inside a variable's value, so each is doubled.
    """
    vendors = list(vendors)
    names = {name for vendor in vendors for name in (*vendor.requires, *vendor.optional)}
    values = {name: value_of(name, environ) for name in names}
    found = {name: value.replace("$", "$$") for name, value in values.items() if value is not None}
    added = [name for vendor in vendors for name in vendor.extensions]
    if added and "OTELCOL_EXTENSIONS" not in environ:
        found["OTELCOL_EXTENSIONS"] = f"[{', '.join((*EXTENSIONS, *added))}]"
    return found
