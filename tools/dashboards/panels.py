"""The kinds of panels in use, with what each needs to be read well."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from dashboards.model import Panel, Query, Store, both

if TYPE_CHECKING:
    from dashboards.logs import Lines
    from whatsself_otel.catalogue import Text

_LAST: Final = {"calcs": ["lastNotNull"], "fields": "", "values": False}
_LEGEND: Final = {"displayMode": "list", "placement": "bottom", "showLegend": True}
_NO_LINES: Final = both("no such lines in this time", "nenhuma linha assim neste período")


def stat(title: Text, description: Text, *queries: Query, **more: Any) -> Panel:
    """Return large numbers; several queries stand one below the other, each with its name."""
    has_states = bool(more.get("states"))
    # Side by side, names of several values are too small to read.
    many = len(queries) > 1 or any("{{" in str(query.legend) for query in queries)
    options = {
        # A name beside a state is not read on the state's colour.
        "colorMode": "background" if has_states and not many else "value",
        "graphMode": "none",
        "justifyMode": "auto",
        "orientation": "horizontal" if many else "auto",
        "reduceOptions": _LAST,
        # A name stands beside each number, so that colour never speaks alone.
        "textMode": "value_and_name" if many else "auto",
        # By itself a long state leaves a name of seven pixels.
        **({"text": {"titleSize": 14, "valueSize": 18}} if many and len(more.get("states", ())) > 1 else {}),
    }
    return Panel(kind="stat", title=title, description=description, queries=queries, options=options, **more)


def lines(title: Text, description: Text, *queries: Query, **more: Any) -> Panel:
    """Return values over time; a limit is drawn as a dashed line."""
    custom = {
        "drawStyle": "line",
        "lineWidth": 2,
        "fillOpacity": 0,
        "showPoints": "auto",
        "spanNulls": False,
        "thresholdsStyle": {"mode": "dashed" if more.get("limits") else "off"},
        **more.pop("custom", {}),
    }
    options = {"legend": _LEGEND, "tooltip": {"mode": "multi", "sort": "desc"}}
    size = {"width": 12, "height": 8, "minimum": 0, **more}
    return Panel(
        kind="timeseries", title=title, description=description, queries=queries, custom=custom, options=options, **size
    )


def bars(title: Text, description: Text, *queries: Query, **more: Any) -> Panel:
    """Return one horizontal bar a series, with its name and its number."""
    options = {
        "displayMode": "basic",
        "orientation": "horizontal",
        "reduceOptions": _LAST,
        "showUnfilled": True,
        "valueMode": "text",
        "namePlacement": "left",
        # By themselves few bars grow thick, and their names so large that they are cut.
        "sizing": "manual",
        "minVizHeight": 16,
        "maxVizHeight": 30,
    }
    size = {"width": 12, "height": 8, "minimum": 0, **more}
    return Panel(kind="bargauge", title=title, description=description, queries=queries, options=options, **size)


def states_over_time(title: Text, description: Text, *queries: Query, **more: Any) -> Panel:
    """Return a strip a series, written on in words."""
    options = {"mergeValues": True, "showValue": "auto", "alignValue": "left", "legend": _LEGEND}
    custom = {"fillOpacity": 80, "lineWidth": 0}
    return Panel(
        kind="state-timeline",
        title=title,
        description=description,
        queries=queries,
        options=options,
        custom=custom,
        **{"width": 12, "height": 6, **more},
    )


def log_lines(title: Text, description: Text, lines: Lines, *, oldest_first: bool = False, **more: Any) -> Panel:
    """Return log lines; each opens to its fields, and its trace."""
    options = {
        "showTime": True,
        "wrapLogMessage": True,
        "prettifyLogMessage": False,
        "enableLogDetails": True,
        "dedupStrategy": "none",
        "sortOrder": "Ascending" if oldest_first else "Descending",
    }
    size = {"width": 24, "height": 9, "no_value": _NO_LINES, **more}
    query = Query(expr=lines.logql, logsql=lines.logsql, store=Store.LOKI)
    return Panel(kind="logs", title=title, description=description, queries=(query,), options=options, **size)


def found_traces(title: Text, description: Text, expr: str, *, lists: str, **more: Any) -> Panel:
    """Return a table of the traces or spans that a TraceQL query finds."""
    query = Query(expr=expr, store=Store.TEMPO, table_type=lists)
    size = {"width": 24, "height": 8, **more}
    options = {"showHeader": True, "cellHeight": "sm"}
    return Panel(kind="table", title=title, description=description, queries=(query,), options=options, **size)
