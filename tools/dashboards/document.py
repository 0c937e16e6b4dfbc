"""Writes a dashboard as Grafana's Classic JSON, the only form that its file provisioning takes."""

from __future__ import annotations

import re
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from dashboards.language import translate
from dashboards.links import PLACE, UID, path
from dashboards.model import BAD, GOOD, Choice, Dashboard, Entry, Panel, Query, Row, Store, both
from dashboards.promql import ALERTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dashboards.language import Language
    from dashboards.model import Words

SCHEMA_VERSION: Final = 42
COLUMNS: Final = 24
_FIRING: Final = f"{ALERTS} > 0"
_GRAFANA: Final = "13.2.0"
"""The version that docker-compose.yml takes."""
_SOURCE_NAMES: Final = {
    Store.PROMETHEUS: both("Prometheus data source", "Fonte de dados Prometheus"),
    Store.LOKI: both("Loki data source", "Fonte de dados Loki"),
    Store.TEMPO: both("Tempo data source", "Fonte de dados Tempo"),
    Store.VICTORIALOGS: both("VictoriaLogs data source", "Fonte de dados VictoriaLogs"),
}


def document(dashboard: Dashboard, others: Sequence[Dashboard], language: Language) -> dict[str, Any]:
    """
    Return *dashboard* in *language*.

    Args:
        dashboard: The page.
        others: All pages, to link to.
        language: Which of the two to write.
    """
    written = {
        "__inputs": [_input(store) for store in dashboard.stores],
        "__requires": list(_requires(dashboard)),
        "uid": f"{UID}{dashboard.key}{language.uid_ending}",
        "title": dashboard.title,
        "description": dashboard.description,
        "tags": ["whatsself", language.tag],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "id": None,
        "editable": False,
        # One crosshair over all panels.
        "graphTooltip": 1,
        "timezone": "browser",
        "refresh": "30s",
        "time": {"from": dashboard.since, "to": "now"},
        "timepicker": {},
        "fiscalYearStartMonth": 0,
        "preload": False,
        "annotations": {"list": [_firing_alerts()]},
        "links": list(_links(dashboard, others)),
        "templating": {"list": list(_variables(dashboard))},
        "panels": list(_placed(dashboard.rows)),
    }
    translated: dict[str, Any] = translate(written, language)
    return translated


def _input(store: Store) -> dict[str, Any]:
    """
    Return what Grafana asks for when the file is imported by hand.

    It puts the answer wherever the name stands as ``${name}``; a provisioned file has a variable of the same name.
    """
    return {
        "name": store.variable,
        "label": _SOURCE_NAMES[store],
        "description": "",
        "type": "datasource",
        "pluginId": store.value,
        "pluginName": store.name.capitalize(),
    }


def _requires(dashboard: Dashboard) -> Iterator[dict[str, Any]]:
    yield {"type": "grafana", "id": "grafana", "name": "Grafana", "version": _GRAFANA}
    for kind in sorted({panel.kind for row in dashboard.rows for panel in row.panels}):
        yield {"type": "panel", "id": kind, "name": kind, "version": ""}
    for store in dashboard.stores:
        yield {"type": "datasource", "id": store.value, "name": store.name.capitalize(), "version": "1.0.0"}


def _firing_alerts() -> dict[str, Any]:
    return {
        "name": both("Firing alerts", "Alertas disparados"),
        "datasource": Store.PROMETHEUS.reference,
        "enable": True,
        "expr": _FIRING,
        "iconColor": BAD,
        "step": "30s",
        "titleFormat": "{{alertname}}",
        "textFormat": "{{severity}} {{component}}",
    }


def _links(dashboard: Dashboard, others: Sequence[Dashboard]) -> Iterator[dict[str, Any]]:
    for other in others:
        if other is not dashboard:
            carries = dashboard.carries_choices and other.carries_choices
            to = path(other.key)
            # Where the jobs are others, the place is still the same.
            url = to if carries else both(to.en + PLACE, to.pt + PLACE)
            yield _page_link(other.title, url, carries=carries)
    twin = path(dashboard.key)
    other_language = both(twin.pt, twin.en)
    yield _page_link(both("Português", "English"), other_language, carries=True) | {"icon": "bolt"}


def _page_link(title: Words, url: Words, *, carries: bool) -> dict[str, Any]:
    return {
        "type": "link",
        "title": title,
        "url": url,
        "icon": "dashboard",
        "tooltip": "",
        "tags": [],
        "asDropdown": False,
        "targetBlank": False,
        "keepTime": True,
        "includeVars": carries,
    }


def _variables(dashboard: Dashboard) -> Iterator[dict[str, Any]]:
    for store in dashboard.stores:
        yield {
            "type": "datasource",
            "name": store.variable,
            "label": _SOURCE_NAMES[store],
            "query": store.value,
            "current": {"text": store.name.capitalize(), "value": store.name.lower()},
            "regex": "",
            "hide": 0,
            "refresh": 1,
            "multi": False,
            "includeAll": False,
        }
    yield from map(_choice, dashboard.choices)
    yield from map(_entry, dashboard.entries)


def _choice(choice: Choice) -> dict[str, Any]:
    return {
        "type": "query",
        "name": choice.name,
        "label": choice.label,
        "datasource": Store.PROMETHEUS.reference,
        "query": choice.query,
        "definition": choice.query,
        "regex": "",
        "hide": 0,
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": choice.everything,
        "current": {"text": ["All"], "value": ["$__all"]},
    }


def _entry(entry: Entry) -> dict[str, Any]:
    return {
        "type": "textbox",
        "name": entry.name,
        "label": entry.label,
        "query": "",
        "hide": 0,
        "current": {"text": "", "value": ""},
        "options": [],
    }


def _placed(rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    y, ids = 0, iter(range(1, 1000))
    for row in rows:
        yield {
            "id": next(ids),
            "type": "row",
            "title": row.title,
            "collapsed": False,
            "panels": [],
            **({"repeat": row.each} if row.each else {}),
            "gridPos": {"x": 0, "y": y, "w": COLUMNS, "h": 1},
        }
        y += 1
        for shelf in _shelves(row.panels):
            x, height = 0, max(panel.height for panel in shelf)
            for panel in shelf:
                # All panels of a shelf end at one line.
                place = {"x": x, "y": y, "w": panel.width, "h": height}
                yield {"id": next(ids), "gridPos": place, **_panel(panel)}
                x += panel.width
            y += height


def _shelves(panels: Sequence[Panel]) -> Iterator[list[Panel]]:
    shelf: list[Panel] = []
    for panel in panels:
        if shelf and sum(each.width for each in shelf) + panel.width > COLUMNS:
            yield shelf
            shelf = []
        shelf.append(panel)
    if shelf:
        yield shelf


def _panel(panel: Panel) -> dict[str, Any]:
    store = panel.queries[0].store
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": store.reference,
        "targets": [_target(query, name) for query, name in zip(panel.queries, "ABCDEFGHIJ", strict=False)],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": list(_overrides(panel))},
        "options": dict(panel.options),
        "links": [{"title": link.title, "url": link.url, "targetBlank": False} for link in panel.links],
        **({"interval": panel.interval} if panel.interval else {}),
    }


def _target(query: Query, name: str) -> dict[str, Any]:
    common = {"refId": name, "datasource": query.store.reference}
    if query.store is Store.TEMPO and query.maps:
        return {**common, "queryType": "serviceMap", "query": "", "serviceMapQuery": query.expr}
    if query.store is Store.TEMPO and query.counts:
        return {**common, "queryType": "traceql", "query": query.expr, "metricsQueryType": "range", "limit": 20}
    if query.store is Store.TEMPO:
        search = {"tableType": query.table_type, "limit": 50, "spss": 50} if query.table_type else {}
        return {**common, "queryType": "traceql", "query": query.expr, **search}
    if query.store is Store.VICTORIALOGS:
        return {**common, "expr": query.expr, "queryType": "instant", "legendFormat": query.legend}
    if query.store is Store.LOKI:
        return {**common, "expr": query.expr, "queryType": "range", "legendFormat": query.legend}
    return {
        **common,
        "expr": query.expr,
        "legendFormat": query.legend or "__auto",
        "instant": query.instant,
        "range": not query.instant,
        "exemplar": query.exemplars,
    }


def _defaults(panel: Panel) -> dict[str, Any]:
    steps = [{"color": panel.below, "value": None}, *({"color": colour, "value": at} for at, colour in panel.limits)]
    optional = {"decimals": panel.decimals, "min": panel.minimum, "max": panel.maximum}
    return {
        "unit": panel.unit,
        "noValue": panel.no_value,
        "color": _colour(panel),
        "thresholds": {"mode": "absolute", "steps": steps},
        "custom": dict(panel.custom),
        **({"mappings": [_mapping(panel)]} if panel.states else {}),
        **{name: value for name, value in optional.items() if value is not None},
    }


def _colour(panel: Panel) -> dict[str, str]:
    if panel.kind != "timeseries":
        return {"mode": "thresholds"}
    # How many series a label gives is not known beforehand: light and dark tell them apart, whatever eyes see.
    many = any("{{" in str(query.legend) for query in panel.queries)
    return {"mode": "shades" if many else "fixed", "fixedColor": GOOD}


def _mapping(panel: Panel) -> dict[str, Any]:
    options = {
        str(state.value): {"text": state.words, "color": state.colour, "index": index}
        for index, state in enumerate(panel.states)
    }
    return {"type": "value", "options": options}


def _overrides(panel: Panel) -> Iterator[dict[str, Any]]:
    for query, name in zip(panel.queries, "ABCDEFGHIJ", strict=False):
        if properties := list(_drawn(query)):
            yield {"matcher": {"id": "byFrameRefID", "options": name}, "properties": properties}
    for name, colour in panel.colours.items():
        yield {"matcher": {"id": "byName", "options": name}, "properties": list(_coloured(colour))}


def _drawn(query: Query) -> Iterator[dict[str, Any]]:
    return chain(
        _named(query),
        _coloured(query.colour) if query.colour else (),
        [{"id": "unit", "value": query.unit}] if query.unit else (),
        [{"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [10, 10]}}] if query.dashed else (),
    )


def _named(query: Query) -> Iterator[dict[str, Any]]:
    """Name the series of Tempo, whose queries have no legend of their own."""
    if query.counts:
        yield {"id": "displayName", "value": _by_label(query.legend)}


def _by_label(legend: Words) -> Words:
    """Return *legend* with its labels as Grafana writes them in the name of a field."""
    if isinstance(legend, str):
        return re.sub(r"\{\{(\w+)\}\}", r"${__field.labels.\1}", legend)
    return legend


def _coloured(colour: str) -> Iterator[dict[str, Any]]:
    yield {"id": "color", "value": {"mode": "fixed", "fixedColor": colour}}
