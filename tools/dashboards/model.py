"""The parts of a dashboard, with every sentence in both languages."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from whatsself_otel.catalogue import Text

if TYPE_CHECKING:
    from collections.abc import Mapping

Words = Text | str
"""A sentence in both languages, or a text that is equal in both."""


class Store(StrEnum):
    """A kind of data source, by the id of Grafana's plugin; its provisioned uid is its name."""

    PROMETHEUS = "prometheus"
    LOKI = "loki"
    TEMPO = "tempo"
    VICTORIALOGS = "victoriametrics-logs-datasource"

    @property
    def variable(self) -> str:
        """Name of the variable that chooses it."""
        return f"{self.name.lower()}_datasource"

    @property
    def reference(self) -> dict[str, str]:
        """Return the reference of a panel or query to the chosen data source."""
        return {"type": self.value, "uid": f"${{{self.variable}}}"}


# Okabe and Ito's palette, which people with any colour vision tell apart, on white and on black; vermilion is bad.
# https://jfly.uni-koeln.de/color/
BLUE: Final = "#0072B2"
ORANGE: Final = "#E69F00"
SKY: Final = "#56B4E9"
GREEN: Final = "#009E73"
PURPLE: Final = "#CC79A7"
VERMILION: Final = "#D55E00"
GREY: Final = "#7F7F7F"
PALETTE: Final = (BLUE, ORANGE, SKY, GREEN, PURPLE, VERMILION, GREY)
GOOD: Final = BLUE
CAUTION: Final = ORANGE
BAD: Final = VERMILION


NO_DATA: Final = Text(en="no data", pt="sem dados")


def both(en: str, pt: str) -> Text:
    """Return one sentence in English and in Brazilian Portuguese."""
    return Text(en=en, pt=pt)


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One query of a panel."""

    expr: str
    legend: Words = ""
    """Name of its series; may hold ``{{label}}``."""
    store: Store = Store.PROMETHEUS
    logsql: str = ""
    """The same of VictoriaLogs, where *expr* is LogQL."""
    instant: bool = False
    """Asks for the value at the end of the time range, and for nothing before it."""
    exemplars: bool = False
    """Shows traces beside the line."""
    table_type: str = ""
    """Kind of a TraceQL search's rows: ``traces`` or ``spans``; empty for one trace by its id."""
    counts: bool = False
    """Whether it is a TraceQL query of metrics: series, not traces."""
    maps: bool = False
    """Whether it shows which service calls which; *expr* then selects Tempo's series in Prometheus."""
    colour: str = ""
    """Fixed colour of its series."""
    dashed: bool = False
    unit: str = ""
    """Where it differs from the panel's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The meaning of a number, in words and colour."""

    value: int
    words: Text
    colour: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One panel; where it stands follows from its size and its turn."""

    kind: str
    """Grafana's panel type."""
    title: Words
    description: Text
    queries: tuple[Query, ...] = ()
    no_value: Words = NO_DATA
    unit: str = "short"
    decimals: int | None = None
    width: int = 6
    """Of 24 columns. A phone shows each panel at full width, in this order."""
    height: int = 5
    limits: tuple[tuple[float, str], ...] = ()
    """From which value on which colour; the number must also stand in the title."""
    below: str = GOOD
    """Colour below the first limit."""
    states: tuple[State, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    custom: Mapping[str, Any] = field(default_factory=dict)
    """``fieldConfig.defaults.custom``: how a line is drawn."""
    options: Mapping[str, Any] = field(default_factory=dict)
    colours: Mapping[str, str] = field(default_factory=dict)
    """Fixed colours of series, by name."""
    interval: str = ""
    links: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A way out of a panel."""

    title: Text
    url: Words
    victorialogs_url: Words = ""
    """Where it leads when VictoriaLogs holds the logs, if elsewhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Panels under one heading."""

    title: Words
    panels: tuple[Panel, ...]
    each: str = ""
    """Name of a variable: Grafana shows the row once for each of its chosen values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A variable that lists values of a label."""

    name: str
    label: Words
    query: str
    """``label_values(SELECTOR, LABEL)``."""
    everything: str = ".+"
    """What "All" stands for, as a regular expression."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A variable to type into."""

    name: str
    label: Words


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    """One page."""

    key: str
    """Name of its file; its uid is ``whatsself-KEY``."""
    title: Text
    description: Text
    rows: tuple[Row, ...]
    choices: tuple[Choice, ...]
    entries: tuple[Entry, ...] = ()
    stores: tuple[Store, ...] = (Store.PROMETHEUS, Store.LOKI)
    since: str = "now-3h"
    carries_choices: bool = True
    """Whether links hand the chosen values on: the collector's page has other jobs."""
