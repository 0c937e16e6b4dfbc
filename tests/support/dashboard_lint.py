"""
Problems of a dashboard: the rules of Grafana's dashboard-linter, and this project's own.

Each rule is a function from a document to sentences, none when all is well. Where one is stricter than the linter's, it
covers every kind of panel.

Source: https://github.com/grafana/dashboard-linter/blob/main/docs/index.md
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from dashboards.document import COLUMNS, SCHEMA_VERSION
from dashboards.model import PALETTE, Store

from whatsself_otel.catalogue import METRICS, SESSION_NAME

Document = dict[str, Any]
Problems = Iterator[str]

UNITS = {"short", "none", "percentunit", "s", "m", "bytes", "reqps", "cps"}
"""Those in use, of https://github.com/grafana/grafana/blob/main/packages/grafana-data/src/valueFormats/categories.ts."""

LABELS = {
    "Prometheus data source": {"Prometheus data source", "Fonte de dados Prometheus"},
    "Loki data source": {"Loki data source", "Fonte de dados Loki"},
    "Tempo data source": {"Tempo data source", "Fonte de dados Tempo"},
    "Job": {"Job", "Serviço"},
    "Instance": {"Instance", "Worker"},
    "Victorialogs data source": {"VictoriaLogs data source", "Fonte de dados VictoriaLogs"},
}
"""The linter knows English alone."""

OF_SESSIONS = re.compile(
    "^(" + "|".join(spec.prometheus_name for spec in METRICS if SESSION_NAME in spec.attributes) + ")(_bucket|_count)?$"
)

PANELS = {"stat", "timeseries", "bargauge", "state-timeline", "table", "logs", "traces", "nodeGraph", "row"}
"""None of these shows a picture or HTML."""

_SELECTOR = re.compile(r'([a-zA-Z_:][\w:]*)\{((?:[^{}"]|"(?:[^"\\]|\\.)*")*)\}(?:\[([^\]]+)\])?')
_LABEL = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*("(?:[^"\\]|\\.)*")')
_WORDS = {
    "sum", "max", "min", "count", "topk", "clamp_min", "round", "rate", "increase", "histogram_quantile", "time",
    "vector", "by", "on", "or", "and", "unless", "clamp_max", "offset", "deriv", "predict_linear",
}  # fmt: skip
_GROUPED = re.compile(r"\bby \(([^)]*)\)")


@dataclass(frozen=True, slots=True)
class Selector:
    """One selection of series inside a query."""

    name: str
    labels: dict[str, str]
    matchers: set[str]
    window: str
    function: str
    """Method called on it, or an empty text."""


def selectors(expr: str) -> list[Selector]:
    """Return every selector of *expr*."""
    return [
        Selector(
            name=found[1],
            labels={name: value for name, _, value in _LABEL.findall(found[2])},
            matchers={"".join(parts) for parts in _LABEL.findall(found[2])},
            window=found[3] or "",
            function=_called_on(expr[: found.start()]),
        )
        for found in _SELECTOR.finditer(expr)
    ]


def grouped(expr: str) -> set[str]:
    """Return every label that *expr* groups by."""
    return {label.strip() for listed in _GROUPED.findall(expr) for label in listed.split(",")}


def _called_on(before: str) -> str:
    found = re.search(r"(\w+)\($", before)
    return found[1] if found else ""


def panels(document: Document) -> list[dict[str, Any]]:
    return [panel for panel in document["panels"] if panel["type"] != "row"]


def targets(document: Document, store: Store) -> Iterator[tuple[dict[str, Any], str]]:
    """Return each panel with each of its queries to *store*."""
    for panel in panels(document):
        for target in panel["targets"]:
            if target["datasource"]["type"] == store.value:
                yield panel, target.get("expr") or target.get("query", "")


def variables(document: Document, kind: str) -> list[dict[str, Any]]:
    return [each for each in document["templating"]["list"] if each["type"] == kind]


# The linter's rules, under their names there.


def template_datasource_rule(document: Document) -> Problems:
    sources = variables(document, "datasource")
    if not sources:
        yield "has no data source variable"
    for each in sources:
        if each["name"] != Store(each["query"]).variable:
            yield f"data source variable is named {each['name']!r}"
        if each["label"] not in LABELS[f"{Store(each['query']).name.capitalize()} data source"]:
            yield f"data source variable is labelled {each['label']!r}"


def template_job_rule(document: Document) -> Problems:
    # The linter wants ".+" for "All". The service's own expression keeps other services out of sums over HTTP.
    yield from _template(document, "job", everything=re.compile(r"\.\+|\(\.\+/\)\?[\w\\.-]+"))


def template_instance_rule(document: Document) -> Problems:
    yield from _template(document, "instance", everything=re.compile(r"\.\+"))


def _template(document: Document, name: str, *, everything: re.Pattern[str]) -> Problems:
    found = [each for each in document["templating"]["list"] if each["name"] == name]
    if not found:
        yield f"has no variable {name}"
    for each in found:
        if each["type"] != "query" or each["datasource"] != Store.PROMETHEUS.reference:
            yield f"{name} is no query of the chosen Prometheus"
        if each["label"] not in LABELS[name.capitalize()]:
            yield f"{name} is labelled {each['label']!r}"
        if not each["multi"] or not each["includeAll"] or not everything.fullmatch(each["allValue"]):
            yield f"{name} does not offer several and all"


def template_label_promql_rule(document: Document) -> Problems:
    for each in variables(document, "query"):
        found = re.fullmatch(r"label_values\((.+), (\w+)\)", each["query"])
        if not found or not _is_balanced(found[1]):
            yield f"{each['name']} asks {each['query']!r}"


def template_on_time_change_reload_rule(document: Document) -> Problems:
    for each in variables(document, "query"):
        if each["refresh"] != 2:
            yield f"{each['name']} is not asked again when the time range changes"


def panel_datasource_rule(document: Document) -> Problems:
    known = {f"${{{each['name']}}}" for each in variables(document, "datasource")}
    for panel in panels(document):
        for owner in (panel, *panel["targets"]):
            if owner["datasource"]["uid"] not in known:
                yield f"{panel['title']}: data source {owner['datasource']['uid']!r} is no variable"


def panel_title_description_rule(document: Document) -> Problems:
    for panel in panels(document):
        if not panel["title"] or not panel["description"]:
            yield f"panel {panel['id']} has no title or no description"


def panel_units_rule(document: Document) -> Problems:
    for panel in panels(document):
        owned = [panel["fieldConfig"]["defaults"].get("unit")]
        owned += [
            each["value"]
            for override in panel["fieldConfig"]["overrides"]
            for each in override["properties"]
            if each["id"] == "unit"
        ]
        if not UNITS.issuperset(owned):
            yield f"{panel['title']}: unit {owned} is none of Grafana's"


def panel_no_targets_rule(document: Document) -> Problems:
    for panel in panels(document):
        if not panel["targets"]:
            yield f"{panel['title']}: no query"


def target_logql_rule(document: Document) -> Problems:
    for panel, query in targets(document, Store.LOKI):
        # Loki refuses a selector whose matchers all take an empty value: "All" services is never empty.
        if not re.match(r'\{service_name=~"\$service"(, \w+=~"\$\w+")*\}', query) or not _is_balanced(query):
            yield f"{panel['title']}: not LogQL: {query}"


def target_logql_auto_rule(document: Document) -> Problems:
    for panel, query in targets(document, Store.LOKI):
        if re.search(r"\[(?!\$__auto\])[^\]]*\]", query):
            yield f"{panel['title']}: a fixed range instead of $__auto: {query}"


def target_promql_rule(document: Document) -> Problems:
    for panel, query in targets(document, Store.PROMETHEUS):
        rest = re.sub(r'"(?:[^"\\]|\\.)*"', "", _GROUPED.sub("", _SELECTOR.sub("1", query)))
        bare = set(re.findall(r"\b[a-zA-Z_]\w*", rest)) - _WORDS
        if bare or not _is_balanced(query) or not selectors(query):
            yield f"{panel['title']}: not PromQL, or a selector without braces: {query}"


def target_rate_interval_rule(document: Document) -> Problems:
    for panel, query in targets(document, Store.PROMETHEUS):
        for each in selectors(query):
            if each.function in {"rate", "irate"} and each.window != "$__rate_interval":
                yield f"{panel['title']}: rate over {each.window}"


def target_job_rule(document: Document) -> Problems:
    # Made over all jobs by their rules; ALERTS carries the label of what fired.
    yield from _without(document, "job", exempt=re.compile(r"ALERTS|whatsself:collector_.+"))


def target_instance_rule(document: Document) -> Problems:
    # A recording rule is over all workers and has no instance.
    yield from _without(document, "instance", exempt=re.compile(r"ALERTS|.+:.+"))


def _without(document: Document, label: str, *, exempt: re.Pattern[str]) -> Problems:
    for panel, query in targets(document, Store.PROMETHEUS):
        for each in selectors(query):
            if f'{label}=~"${label}"' not in each.matchers and not exempt.fullmatch(each.name):
                yield f"{panel['title']}: {each.name} has no matcher of {label}"


def target_environment_rule(document: Document) -> Problems:
    """Every query separates production from staging; a collector without an environment appears with each."""
    places = {'deployment_environment_name=~"$environment"', 'deployment_environment_name=~"($environment)?"'}
    for panel, query in targets(document, Store.PROMETHEUS):
        for each in selectors(query):
            if not places & each.matchers and not re.fullmatch(r"whatsself:collector_.+", each.name):
                yield f"{panel['title']}: {each.name} has no matcher of the environment"
    for panel, query in targets(document, Store.LOKI):
        if not {'deployment_environment_name=~"$environment"'} <= {"".join(parts) for parts in _LABEL.findall(query)}:
            yield f"{panel['title']}: lines of every environment"


def target_session_rule(document: Document) -> Problems:
    """A query can select one session."""
    for panel, query in targets(document, Store.PROMETHEUS):
        for each in selectors(query):
            if OF_SESSIONS.search(each.name) and 'session=~"$session|"' not in each.matchers:
                yield f"{panel['title']}: {each.name} has no matcher of the session"
    for panel, query in targets(document, Store.LOKI):
        if not re.search(r'\| session=~"\$session\|?"', query):
            yield f"{panel['title']}: lines of every session"


def imported_by_hand(document: Document) -> Problems:
    """Grafana asks for each data source at an import, and names the missing ones."""
    asked = {(each["name"], each["pluginId"]) for each in document["__inputs"]}
    if asked != {(each["name"], each["query"]) for each in variables(document, "datasource")}:
        yield "asks for other data sources than it uses"
    needed = {(each["type"], each["id"]) for each in document["__requires"]}
    used = {("panel", panel["type"]) for panel in panels(document)}
    used |= {("datasource", each["query"]) for each in variables(document, "datasource")} | {("grafana", "grafana")}
    if needed != used:
        yield f"requires {sorted(needed ^ used)}"


def repeats_over_a_variable(document: Document) -> Problems:
    known = {each["name"] for each in variables(document, "query")}
    for row in document["panels"]:
        if "repeat" in row and (row["repeat"] not in known or f"${row['repeat']}" not in row["title"]):
            yield f"{row['title']}: repeats over {row['repeat']}"


def target_counter_agg_rule(document: Document) -> Problems:
    for panel, query in targets(document, Store.PROMETHEUS):
        for each in selectors(query):
            if re.search(r"_(total|count|bucket)$", each.name) and each.function not in {"rate", "irate", "increase"}:
                yield f"{panel['title']}: {each.name} without rate or increase"


def uneditable_dashboard(document: Document) -> Problems:
    if document["editable"]:
        yield "can be edited, and Grafana would not keep it"


# This project's own rules.


def schema(document: Document) -> Problems:
    """Conditions of an import into Grafana: Classic JSON, whole numbers where needed, and no id."""
    if document["schemaVersion"] != SCHEMA_VERSION or document["id"] is not None or "spec" in document:
        yield "is not Classic JSON of this version"
    needed = {"uid": str, "title": str, "tags": list, "panels": list, "templating": dict, "time": dict, "links": list}
    for name, kind in needed.items():
        if not isinstance(document.get(name), kind) or not document[name]:
            yield f"{name} is no {kind.__name__}, or empty"
    for panel in document["panels"]:
        if panel["type"] not in PANELS:
            yield f"panel {panel['id']} is a {panel['type']}"
        if not all(isinstance(panel["gridPos"].get(side), int) for side in "xywh"):
            yield f"panel {panel['id']} has no place"


def no_overlap(document: Document) -> Problems:
    for panel in document["panels"]:
        place = panel["gridPos"]
        if place["x"] < 0 or place["x"] + place["w"] > COLUMNS or place["w"] < 3 or place["h"] < 1:
            yield f"{panel['title']}: outside the grid, or too narrow to read"
    for one, other in combinations(document["panels"], 2):
        if _overlap(one["gridPos"], other["gridPos"]):
            yield f"{one['title']} lies on {other['title']}"


def _overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    return all(
        one[start] < other[start] + other[size] and other[start] < one[start] + one[size]
        for start, size in (("x", "w"), ("y", "h"))
    )


def unique_ids(document: Document) -> Problems:
    ids = [panel["id"] for panel in document["panels"]]
    if len(ids) != len(set(ids)):
        yield "two panels have one id"
    for panel in panels(document):
        names = [target["refId"] for target in panel["targets"]]
        if len(names) != len(set(names)):
            yield f"{panel['title']}: two queries have one name"


def no_value_text(document: Document) -> Problems:
    for panel in panels(document):
        if not panel["fieldConfig"]["defaults"].get("noValue"):
            yield f"{panel['title']}: is blank without data"


def colour_never_alone(document: Document) -> Problems:
    """A limit's number stands in the title, a state in words; the palette is one that everybody can tell apart."""
    for panel in panels(document):
        defaults = panel["fieldConfig"]["defaults"]
        colours = set(re.findall(r"#[0-9A-Fa-f]{6}", str(panel["fieldConfig"])))
        if not colours <= set(PALETTE) or "palette-classic" in str(panel["fieldConfig"]):
            yield f"{panel['title']}: colours outside the palette"
        if panel["type"] == "timeseries" and not _tells_apart(panel):
            yield f"{panel['title']}: two series in one colour"
        for mapping in defaults.get("mappings", ()):
            if not all(state["text"].strip() for state in mapping["options"].values()):
                yield f"{panel['title']}: a state in colour alone"
        limits = [step["value"] for step in defaults["thresholds"]["steps"] if step["value"]]
        if limits and not any(_spelled(limit, panel["title"], defaults["unit"]) for limit in limits):
            yield f"{panel['title']}: a limit in colour alone"


def _tells_apart(panel: dict[str, Any]) -> bool:
    """Return whether each query has a distinct look, and all its series share it."""
    defaults, overrides = panel["fieldConfig"]["defaults"], panel["fieldConfig"]["overrides"]
    own = {each["matcher"]["options"]: str(each["properties"]) for each in overrides}
    looks = [own.get(target["refId"], "") for target in panel["targets"]]
    # Tempo's series have no legend of their own: an override names them by their label.
    many = any("{{" in target.get("legendFormat", "") for target in panel["targets"]) or "__field.labels" in str(own)
    return len(looks) == len(set(looks)) and (not many or defaults["color"]["mode"] == "shades")


def _spelled(limit: float, title: str, unit: str) -> bool:
    spellings = {f"{limit:g}", f"{limit * 100:g}%", f"{limit * 100:g} %"}
    spellings |= {f"{limit / 86_400:g} d"} if unit == "s" else set()
    return any(re.search(rf"(?<![\d.]){re.escape(spelling)}(?!\d)", title) for spelling in spellings)


def events_beside_each_ratio(document: Document) -> Problems:
    """A ratio stands beside its number of events, in its panel or in one of its row: 1 of 2 is not 500 of 1000."""
    for panel in _with_their_rows(document):
        ratio = any(re.search(r"/ \(.*> 0\)|_success:ratio|budget_remaining", each["expr"]) for each in _asked(panel))
        if ratio and "(n)" not in panel["row"]:
            yield f"{panel['title']}: a ratio of how many?"


def _with_their_rows(document: Document) -> Iterator[dict[str, Any]]:
    """Return each panel with the words of its row."""
    rows: list[list[dict[str, Any]]] = []
    for panel in document["panels"]:
        if panel["type"] == "row":
            rows.append([])
        else:
            rows[-1].append(panel)
    for row in rows:
        words = " ".join(
            [panel["title"] for panel in row]
            + [target.get("legendFormat") or "" for panel in row for target in panel["targets"]]
        )
        yield from ({**panel, "row": words} for panel in row)


def _asked(panel: dict[str, Any]) -> list[dict[str, Any]]:
    return [target for target in panel["targets"] if target["datasource"]["type"] == Store.PROMETHEUS.value]


def no_qr(document: Document) -> Problems:
    """Its age, never the code: who scans it owns the account."""
    for store in Store:
        for panel, query in targets(document, store):
            rest = query.replace("whatsapp_qr_issued_timestamp_seconds", "").replace('"qr_pending"', "")
            if re.search(r"(?i)qr", rest):
                yield f"{panel['title']}: asks for the QR code"


def _is_balanced(text: str) -> bool:
    bare = re.sub(r'"(?:[^"\\]|\\.)*"', "", text)
    stack: list[str] = []
    closing = {")": "(", "]": "[", "}": "{"}
    for character in bare:
        if character in closing.values():
            stack.append(character)
        elif character in closing and (not stack or stack.pop() != closing[character]):
            return False
    return not stack and '"' not in bare


LINTER_RULES: tuple[Callable[[Document], Problems], ...] = (
    template_datasource_rule,
    template_job_rule,
    template_instance_rule,
    template_label_promql_rule,
    template_on_time_change_reload_rule,
    panel_datasource_rule,
    panel_title_description_rule,
    panel_units_rule,
    panel_no_targets_rule,
    target_logql_rule,
    target_logql_auto_rule,
    target_promql_rule,
    target_rate_interval_rule,
    target_job_rule,
    target_instance_rule,
    target_counter_agg_rule,
    uneditable_dashboard,
)
OWN_RULES: tuple[Callable[[Document], Problems], ...] = (
    schema,
    no_overlap,
    unique_ids,
    no_value_text,
    colour_never_alone,
    events_beside_each_ratio,
    no_qr,
    target_environment_rule,
    target_session_rule,
    imported_by_hand,
    repeats_over_a_variable,
)
RULES = (*LINTER_RULES, *OWN_RULES)
