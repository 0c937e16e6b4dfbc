"""The dashboards: current, in order, in both languages, and made of names that exist."""

from __future__ import annotations

import copy
import json
import logging
import re
import urllib.parse
from collections.abc import Callable
from typing import Any

import dashboard_lint as lint
import pytest
import yaml
from binaries import ROOT, get, need, run_collector, run_once
from dashboards.capacity import ARRIVED_BYTES, FREE_BYTES, STORED_BYTES
from dashboards.collector import OWN_MEMORY, OWN_UPTIME, QUEUE_CAPACITY, QUEUE_SIZE
from dashboards.files import documents, files, pages
from dashboards.http import SPAN_CALLS, SPAN_SECONDS
from dashboards.language import ENGLISH, LANGUAGES, PORTUGUESE, translate
from dashboards.model import Store, both
from prometheus_server import wait_until
from rows import for_each

from whatsself_otel import TelemetryConfig, setup_telemetry
from whatsself_otel.catalogue import METRICS, Kind, Pii, Text
from whatsself_otel.metrics.prometheus_names import prometheus_label
from whatsself_otel.operations.collector import ITEMS
from whatsself_otel.operations.model import SOURCE, Record, Source
from whatsself_otel.operations.rules import rule_groups

FOLDER = ROOT / "backends" / "grafana" / "dashboards"
SOURCE_VALUES = Source.load()
DOCUMENTS = documents(SOURCE_VALUES)
PAIRS = [(f"{page.key}.json", f"{page.key}.pt-BR.json") for page in pages(SOURCE_VALUES)]

OWN_METRICS: dict[str, set[str]] = {
    OWN_UPTIME: set(),
    OWN_MEMORY: set(),
    QUEUE_SIZE: {"exporter", "data_type"},
    QUEUE_CAPACITY: {"exporter", "data_type"},
    **{f"otelcol_receiver_accepted_{items}": {"receiver"} for items in ITEMS.values()},
    **{f"otelcol_exporter_sent_{items}": {"exporter"} for items in ITEMS.values()},
}
"""The collector's own, with the labels that panels use; compared with a running collector below."""

SPAN_METRICS = {SPAN_CALLS: {"span_name", "span_kind"}, f"{SPAN_SECONDS}_bucket": {"span_name", "span_kind", "le"}}
"""The collector's span metrics; test_dashboard_queries.py runs all their queries on real data."""

STORE_METRICS: dict[str, set[str]] = {
    **{name: set() for name in (*FREE_BYTES, *ARRIVED_BYTES, *STORED_BYTES)},
    "vl_data_size_bytes": set(),
    "process_resident_memory_bytes": set(),
    "prometheus_tsdb_head_series": set(),
    "prometheus_tsdb_lowest_timestamp_seconds": set(),
}
"""The stores' own; each query of them is run on the real ones in test_dashboard_queries.py."""

PROMETHEUS_METRICS: dict[str, set[str]] = {"up": set(), "ALERTS": {"alertstate", "severity"}}

SAME_IN_BOTH = {
    "5xx", "4xx", "P50", "P95", "HTTP", "Workers", "workers", "Spans", "Traces",
    "Namespace", "requestId", "contactId", "messageId", "traceId", "traces", "metrics", "logs",
}  # fmt: skip
"""Words that are the same in English and in Portuguese."""


@pytest.fixture
def overview() -> dict[str, Any]:
    return copy.deepcopy(DOCUMENTS["overview.json"])


class TestFiles:
    def test_are_current(self) -> None:
        """`make generate` writes them."""
        written = {path.name: path.read_text("utf-8") for path in FOLDER.glob("*.json")}

        assert files(SOURCE_VALUES) == written

    def test_a_uid_and_a_title_belong_to_one_file(self) -> None:
        for name in ("uid", "title"):
            values = [each[name] for each in DOCUMENTS.values()]
            assert len(values) == len(set(values)) == 18, values

    def test_every_alert_links_to_a_page_that_exists(self) -> None:
        uids = {each["uid"] for each in DOCUMENTS.values()}
        rules = [yaml.safe_load(path.read_text("utf-8")) for path in (ROOT / "backends/prometheus/rules").glob("*.yml")]
        linked = {
            rule["annotations"]["dashboard_url"].partition("?")[0].rsplit("/", 1)[1]
            for file in rules
            for group in file["groups"]
            for rule in group["rules"]
            if "alert" in rule
        }

        assert linked
        assert linked <= uids


@for_each("rule", lint.RULES, ids=lambda rule: rule.__name__)
@for_each("name", DOCUMENTS)
def test_no_rule_finds_anything(name: str, rule: Callable[[lint.Document], lint.Problems]) -> None:
    assert list(rule(DOCUMENTS[name])) == []


def first(document: dict[str, Any], kind: str = "stat") -> dict[str, Any]:
    return next(panel for panel in document["panels"] if panel["type"] == kind)


def variable(document: dict[str, Any], name: str) -> dict[str, Any]:
    return next(each for each in document["templating"]["list"] if each["name"] == name)


def ask(document: dict[str, Any], query: str, kind: str = "stat") -> None:
    first(document, kind)["targets"][0]["expr"] = query


CHOSEN = 'job=~"$job", instance=~"$instance", deployment_environment_name=~"$environment"'
MUTATIONS: dict[str, list[Callable[[dict[str, Any]], object]]] = {
    "template_datasource_rule": [
        lambda each: variable(each, "prometheus_datasource").update(name="source"),
        lambda each: variable(each, "loki_datasource").update(query="tempo"),
        lambda each: variable(each, "loki_datasource").update(label="Logs"),
        lambda each: each["templating"].update(list=[]),
    ],
    "template_job_rule": [
        lambda each: variable(each, "job").update(name="service"),
        lambda each: variable(each, "job").update(type="textbox"),
        lambda each: variable(each, "job").update(label="job"),
        lambda each: variable(each, "job").update(multi=False),
        lambda each: variable(each, "job").update(allValue=".*"),
        lambda each: variable(each, "job").update(datasource={"type": "prometheus", "uid": "prometheus"}),
    ],
    "template_instance_rule": [
        lambda each: variable(each, "instance").update(name="worker"),
        lambda each: variable(each, "instance").update(allValue="(.+/)?whatsself"),
    ],
    "template_label_promql_rule": [
        lambda each: variable(each, "job").update(query="label_value(up, job)"),
        lambda each: variable(each, "job").update(query="label_values(up{, job)"),
    ],
    "template_on_time_change_reload_rule": [lambda each: variable(each, "instance").update(refresh=1)],
    "panel_datasource_rule": [
        lambda each: first(each)["datasource"].update(uid="prometheus"),
        lambda each: first(each, "logs")["targets"][0]["datasource"].update(uid="loki"),
    ],
    "panel_title_description_rule": [
        lambda each: first(each).update(title=""),
        lambda each: first(each, "logs").update(description=""),
    ],
    "panel_units_rule": [
        lambda each: first(each)["fieldConfig"]["defaults"].update(unit="messages"),
        lambda each: first(each, "timeseries")["fieldConfig"]["defaults"].pop("unit"),
        lambda each: first(each)["fieldConfig"].update(overrides=[{"properties": [{"id": "unit", "value": "min"}]}]),
    ],
    "panel_no_targets_rule": [lambda each: first(each, "bargauge").update(targets=[])],
    "target_logql_rule": [
        lambda each: ask(each, '{service_name=~"$service" | event != ""', "logs"),
        lambda each: ask(each, '{service_name=~".*"} | event != ""', "logs"),
        lambda each: ask(each, '| event != ""', "logs"),
    ],
    "target_logql_auto_rule": [lambda each: ask(each, 'rate({service_name=~"$service"}[5m])', "logs")],
    "target_promql_rule": [
        lambda each: ask(each, f"max(queue_depth{{{CHOSEN}}}"),
        lambda each: ask(each, "max(queue_depth)"),
        lambda each: ask(each, f"maximum(queue_depth{{{CHOSEN}}})"),
        lambda each: ask(each, "1"),
    ],
    "target_rate_interval_rule": [lambda each: ask(each, f"rate(messages_outbound_total{{{CHOSEN}}}[5m])")],
    "target_job_rule": [
        lambda each: ask(each, 'max(queue_depth{instance=~"$instance"})'),
        lambda each: ask(each, 'max(queue_depth{job="whatsself", instance=~"$instance"})'),
        lambda each: ask(each, "max(whatsself:ban_risk:score{})"),
    ],
    "target_instance_rule": [lambda each: ask(each, 'max(queue_depth{job=~"$job"})')],
    "target_counter_agg_rule": [
        lambda each: ask(each, f"sum(messages_outbound_total{{{CHOSEN}}})"),
        lambda each: ask(each, f"max_over_time(messages_outbound_total{{{CHOSEN}}}[5m])"),
    ],
    "uneditable_dashboard": [lambda each: each.update(editable=True)],
    "schema": [
        lambda each: each.update(schemaVersion=2),
        lambda each: each.update(id=7),
        lambda each: each.update(spec={}),
        lambda each: each.pop("uid"),
        lambda each: first(each).update(type="text"),
        lambda each: first(each)["gridPos"].update(x=0.5),
    ],
    "no_overlap": [
        lambda each: each["panels"][2]["gridPos"].update(x=0),
        lambda each: each["panels"][-1]["gridPos"].update(x=20),
        lambda each: first(each)["gridPos"].update(w=2),
    ],
    "unique_ids": [
        lambda each: each["panels"][2].update(id=each["panels"][1]["id"]),
        lambda each: first(each, "timeseries")["targets"][1].update(refId="A"),
    ],
    "no_value_text": [lambda each: first(each, "logs")["fieldConfig"]["defaults"].update(noValue="")],
    "colour_never_alone": [
        lambda each: first(each)["fieldConfig"]["defaults"]["mappings"][0]["options"]["1"].update(text=" "),
        lambda each: first(each)["fieldConfig"]["defaults"]["color"].update(fixedColor="#00FF00"),
        lambda each: first(each)["fieldConfig"]["defaults"]["color"].update(mode="palette-classic"),
        lambda each: first(each, "timeseries").update(title="Messages a minute"),
        lambda each: first(each, "timeseries")["fieldConfig"].update(overrides=[]),
        lambda each: first(each, "timeseries")["targets"][0].update(legendFormat="{{origin}}"),
        lambda each: first(each, "timeseries").update(title="Messages a minute (limit 120)"),
    ],
    "events_beside_each_ratio": [
        lambda each: [
            target.update(legendFormat="attempts")
            for panel in lint.panels(each)
            for target in panel["targets"]
            if "(n)" in target["legendFormat"]
        ]
    ],
    "target_environment_rule": [
        lambda each: ask(each, 'max(queue_depth{job=~"$job", instance=~"$instance"})'),
        lambda each: ask(each, 'max(queue_depth{deployment_environment_name="production"})'),
        lambda each: ask(each, '{service_name=~"$service"}', "logs"),
    ],
    "target_session_rule": [
        lambda each: ask(each, f"max(queue_depth{{{CHOSEN}}})"),
        lambda each: ask(each, f'sum(rate(messages_outbound_total{{{CHOSEN}, session="main"}}[5m]))'),
        lambda each: ask(each, '{deployment_environment_name=~"$environment"}', "logs"),
    ],
    "imported_by_hand": [
        lambda each: each.update(__inputs=[]),
        lambda each: each["__inputs"][0].update(name="DS_PROMETHEUS"),
        lambda each: each["__requires"].pop(),
        lambda each: first(each).update(type="gauge"),
    ],
    "repeats_over_a_variable": [
        lambda each: each["panels"][0].update(repeat="colour"),
        lambda each: each["panels"][0].update(repeat="session"),
    ],
    "no_qr": [
        lambda each: ask(each, f"max(whatsapp_qr_code{{{CHOSEN}}})"),
        lambda each: ask(each, '{service_name="whatsself"} | qrCode != ""', "logs"),
    ],
}


class TestEachRule:
    def test_has_a_document_that_breaks_it(self) -> None:
        assert MUTATIONS.keys() == {rule.__name__ for rule in lint.RULES}

    @for_each(
        "rule, number",
        [(rule, number) for rule in lint.RULES for number in range(len(MUTATIONS[rule.__name__]))],
        ids=lambda row: f"{row[0].__name__}-{row[1]}",
    )
    def test_finds_what_breaks_it(self, rule: Callable[[lint.Document], lint.Problems], number: int) -> None:
        overview = copy.deepcopy(DOCUMENTS["overview.json"])
        MUTATIONS[rule.__name__][number](overview)

        assert list(rule(overview))

    def test_the_linters_seventeen_are_all_there(self) -> None:
        """Counted in the linter's list, so that none goes away by being deleted."""
        assert len(lint.LINTER_RULES) == 17


def known_metrics() -> dict[str, set[str]]:
    """Return every metric that a panel may ask for, with its labels."""
    known: dict[str, set[str]] = {**OWN_METRICS, **SPAN_METRICS, **STORE_METRICS, **PROMETHEUS_METRICS}
    for spec in METRICS:
        labels = {prometheus_label(attribute.name) for attribute in spec.attributes}
        endings = ("_bucket", "_count", "_sum") if spec.kind is Kind.HISTOGRAM else ("",)
        for ending in endings:
            known[f"{spec.prometheus_name}{ending}"] = labels | ({"le"} if ending == "_bucket" else set())
    for groups in rule_groups(SOURCE_VALUES).values():
        for rule in (rule for group in groups for rule in group.rules if isinstance(rule, Record)):
            known.setdefault(rule.name, set()).update(rule.labels)
    return known


def unknown_names(document: dict[str, Any]) -> list[str]:
    """Return each metric or label that a query of *document* names and nothing makes."""
    known, found = known_metrics(), []
    for panel, query in lint.targets(document, Store.PROMETHEUS):
        asked = lint.selectors(query)
        found += [f"{panel['title']}: metric {each.name}" for each in asked if each.name not in known]
        labels = {"job", "instance", "deployment_environment_name", "service_namespace"}.union(
            *(known.get(each.name, set()) for each in asked)
        )
        used = lint.grouped(query).union(*(each.labels for each in asked))
        found += [f"{panel['title']}: label {label}" for label in used - labels]
    return found


IDENTIFIERS = {
    prometheus_label(attribute.name)
    for spec in METRICS
    for attribute in spec.attributes
    if attribute.pii is Pii.IDENTIFIER
} | {"requestId", "contactId", "messageId"}
ALLOWED_IDENTIFIERS = {"session"}
"""The name that the operator gave a session; a page cannot say which session is down without it."""


def identifiers(document: dict[str, Any]) -> set[str]:
    """Return the identifiers that queries of metrics of *document* use as labels."""
    used: set[str] = set()
    for _, query in lint.targets(document, Store.PROMETHEUS):
        used |= lint.grouped(query).union(*(each.labels for each in lint.selectors(query)))
    return used & IDENTIFIERS - ALLOWED_IDENTIFIERS


class TestNames:
    @for_each("name", DOCUMENTS)
    def test_every_metric_and_label_is_made_somewhere(self, name: str) -> None:
        assert unknown_names(DOCUMENTS[name]) == []

    @for_each(
        "query",
        [
            f"queue_depths{{{CHOSEN}}}",
            f'queue_depth{{{CHOSEN}, color="x"}}',
            f"sum by (phone) (queue_depth{{{CHOSEN}}})",
        ],
    )
    def test_one_that_is_not_is_found(self, query: str) -> None:
        overview = copy.deepcopy(DOCUMENTS["overview.json"])
        ask(overview, query)

        assert unknown_names(overview)

    @for_each("name", DOCUMENTS)
    def test_no_identifier_is_a_label(self, name: str) -> None:
        assert identifiers(DOCUMENTS[name]) == set()

    @for_each("query", [f"max by (contactId) (cb_state_contact{{{CHOSEN}}})", f'up{{{CHOSEN}, messageId="m1"}}'])
    def test_one_that_is_is_found(self, query: str) -> None:
        overview = copy.deepcopy(DOCUMENTS["overview.json"])
        ask(overview, query)

        assert identifiers(overview)

    @pytest.mark.collector
    def test_the_collectors_own_are_those_of_a_running_one(self) -> None:
        with run_collector("local") as collector:
            config = TelemetryConfig(endpoint=collector.http_url, log_to_stdout=False)
            with setup_telemetry(config=config) as telemetry, telemetry.tracer.start_as_current_span("work"):
                logging.getLogger("shop").warning("open")
            # Nothing listens behind it, so nothing was sent: what counts that is seen by the queries' test.
            expected = {name for name in OWN_METRICS if not name.startswith("otelcol_exporter_sent_")}
            wait_until(lambda: missing(expected, collector.metrics_url) == set())
            assert missing(expected, collector.metrics_url) == set()
            exposed = text_of(collector.metrics_url)

        for name in (QUEUE_SIZE, QUEUE_CAPACITY):
            line = next(line for line in exposed.splitlines() if line.startswith(f"{name}{{"))
            assert set(re.findall(r'(\w+)="', line)) >= OWN_METRICS[name]


def missing(names: set[str], url: str) -> set[str]:
    exposed = text_of(url)
    return {name for name in names if f"\n{name}" not in exposed}


def text_of(url: str) -> str:
    return (get(url) or b"").decode()


@pytest.mark.backend
class TestPromQL:
    """The real parser, on every query as a recording rule."""

    def check(self, tmp_path: Any, queries: list[str]) -> int:
        macros = {"$__rate_interval": "1m", "$__range": "1h", "$__interval": "15s"}
        for name, value in macros.items():
            queries = [query.replace(name, value) for query in queries]
        rules = [{"record": f"panel:{number}", "expr": query} for number, query in enumerate(queries)]
        file = tmp_path / "panels.yml"
        file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}), "utf-8")
        return run_once([need("promtool"), "check", "rules", file]).returncode

    def test_every_query_parses(self, tmp_path: Any) -> None:
        queries = {query for each in DOCUMENTS.values() for _, query in lint.targets(each, Store.PROMETHEUS)}

        assert self.check(tmp_path, sorted(queries)) == 0

    def test_one_that_does_not_is_refused(self, tmp_path: Any) -> None:
        assert self.check(tmp_path, ["sum by job (queue_depth)"]) != 0


def shape(tree: Any) -> Any:
    """Return *tree* with every sentence taken out, and every query and name kept."""
    words = {"title", "description", "noValue", "legendFormat", "text", "label", "url", "uid", "tags", "name"}
    if isinstance(tree, dict):
        return {key: shape(value) for key, value in tree.items() if key not in words}
    return [shape(value) for value in tree] if isinstance(tree, list) else tree


def sentences(tree: Any) -> list[str]:
    """Return every text that a reader sees, in order."""
    shown = {"title", "description", "noValue", "legendFormat", "text", "label"}
    if isinstance(tree, dict):
        found = [value for key, value in tree.items() if key in shown and isinstance(value, str)]
        return found + [text for value in tree.values() for text in sentences(value)]
    return [text for value in tree for text in sentences(value)] if isinstance(tree, list) else []


def untranslated(english: dict[str, Any], portuguese: dict[str, Any]) -> set[str]:
    same = {en for en, pt in zip(sentences(english), sentences(portuguese), strict=True) if en == pt}
    data = {"", "All", "Prometheus", "Loki", "VictoriaLogs", "Tempo", "__auto", "English", "Português"}
    return {text for text in same - data - SAME_IN_BOTH if not re.fullmatch(r"(\+\d h · )?(\{\{\w+\}\}( · )?)+", text)}


class TestLanguages:
    @for_each("english, portuguese", PAIRS)
    def test_show_the_same_queries_and_panels(self, english: str, portuguese: str) -> None:
        assert shape(DOCUMENTS[portuguese]) == shape(DOCUMENTS[english])

    @for_each("english, portuguese", PAIRS)
    def test_every_sentence_is_translated(self, english: str, portuguese: str) -> None:
        assert untranslated(DOCUMENTS[english], DOCUMENTS[portuguese]) == set()

    def test_one_that_is_not_is_found(self, overview: dict[str, Any]) -> None:
        portuguese = copy.deepcopy(DOCUMENTS["overview.pt-BR.json"])
        first(portuguese)["description"] = first(overview)["description"]

        assert untranslated(overview, portuguese) == {first(overview)["description"]}

    @for_each("language, text", [(PORTUGUESE, both("Queue", "")), (ENGLISH, both(" ", "Fila"))])
    def test_a_missing_one_is_refused(self, language: Any, text: Text) -> None:
        with pytest.raises(ValueError, match=f"no words in {language.tag}"):
            translate({"panels": [{"title": text}]}, language)

    def test_are_named_by_tag(self) -> None:
        assert {tuple(each["tags"]) for each in DOCUMENTS.values()} == {
            ("whatsself", language.tag) for language in LANGUAGES
        }


class TestLinks:
    @for_each("name", DOCUMENTS)
    def test_every_page_leads_to_every_other_of_its_language_and_to_its_twin(self, name: str) -> None:
        document = DOCUMENTS[name]
        mine = {each["uid"] for each in DOCUMENTS.values() if each["tags"] == document["tags"]}
        uid = document["uid"]
        twin = uid.removesuffix("-pt") if uid.endswith("-pt") else f"{uid}-pt"

        links = {link["url"].split("?")[0]: link for link in document["links"]}
        assert links.keys() == {f"/d/{other}" for other in mine - {uid} | {twin}}
        assert all(link["includeVars"] or "environment" in link["url"] for link in links.values())
        assert all(link["keepTime"] for link in document["links"])

    @for_each("key", ["overview", "quality", "flows", "http", "services"])
    def test_a_metric_leads_to_the_traces_or_lines_behind_it(self, key: str) -> None:
        urls = [link["url"] for panel in lint.panels(DOCUMENTS[f"{key}.json"]) for link in panel["links"]]
        assert urls
        for url in urls:
            asked = urllib.parse.parse_qs(urllib.parse.urlparse(url).query)
            pane = json.loads(asked["panes"][0])["A"]
            assert pane["datasource"] == pane["queries"][0]["datasource"]["uid"]
            assert pane["datasource"] in {f"${{{store}_datasource}}" for store in (Store.LOKI, Store.TEMPO)}
            assert pane["range"] == {"from": "${__from}", "to": "${__to}"}

    @for_each("key", ["quality", "http"])
    def test_durations_show_their_traces(self, key: str) -> None:
        targets = [target for panel in lint.panels(DOCUMENTS[f"{key}.json"]) for target in panel["targets"]]
        assert [target["expr"] for target in targets if target.get("exemplar")]

    def test_a_line_leads_to_the_page_of_its_message(self) -> None:
        path = ROOT / "backends/grafana/provisioning/datasources/whatsself.yaml"
        sources = {each["uid"]: each["jsonData"] for each in yaml.safe_load(path.read_text("utf-8"))["datasources"]}
        urls = {each["matcherRegex"]: each["url"] for each in sources["loki"]["derivedFields"]}
        boxes = {each["name"] for each in lint.variables(DOCUMENTS["message.json"], "textbox")}

        for name in ("messageId", "requestId"):
            assert urls[name].split("?")[0] == f"/d/{DOCUMENTS['message.json']['uid']}"
            assert f"var-{name}=" in urls[name]
            assert name in boxes

    def test_data_sources_are_the_provisioned_ones(self) -> None:
        path = ROOT / "backends/grafana/provisioning/datasources/whatsself.yaml"
        uids = {each["uid"] for each in yaml.safe_load(path.read_text("utf-8"))["datasources"]}
        for document in DOCUMENTS.values():
            assert {each["current"]["value"] for each in lint.variables(document, "datasource")} <= uids


class TestLimits:
    """The dashboards draw the limits of the alerts."""

    @for_each(
        "key, value, page, shown, drawn",
        [
            ("sending.fail_ratio", 0.4, "overview.json", "40%", 0.4),
            ("limits.per_minute", 77, "overview.json", "limit 77", 77),
            ("queue.backlog_s", 7200, "overview.json", "120 min", 120),
            ("ban_risk.score", 66, "overview.json", "from 66", 66),
            ("http.error_ratio", 0.09, "http.json", "9%", 0.09),
            ("telemetry.queue_fill", 0.55, "collector.json", "55%", 0.55),
            ("telemetry.queue_fill", 0.55, "capacity.json", "55%", 0.55),
            ("slos.first-response.objective", 0.9, "quality.json", "90%", 0.9),
        ],
    )
    def test_follow_the_one_source(self, key: str, value: float, page: str, shown: str, drawn: float) -> None:
        values = yaml.safe_load(SOURCE.read_text("utf-8"))
        *parents, last = key.split(".")
        group = values
        for parent in parents:
            group = group[parent]
        group[last] = value
        document = documents(Source(values))[page]

        titles = {
            panel["title"]
            for panel in lint.panels(document)
            if drawn in [step["value"] for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]]
        }
        assert [title for title in titles if shown in title]

    def test_follow_the_services_name(self) -> None:
        document = documents(Source.load(service="lojinha"))["overview.json"]

        assert "lojinha" in variable(document, "job")["query"]
        assert "lojinha" in variable(document, "job")["allValue"]
        assert variable(document, "service")["allValue"] == "lojinha"
        assert "whatsself" not in variable(document, "job")["query"]
