"""
Every query of every panel, rule and runbook, asked of the real backends after a day of business in the demo.

Three sessions live that day at once, in two environments. With DASHBOARD_TABLE=FILE the table of panel, query and rows
is written there; that is how docs/evidence/dashboards.md was made.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import os
import re
import sys
import time
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from binaries import need
from dashboards.files import documents
from dashboards.model import Store
from runbook_pages import ENGLISH as RUNBOOKS
from runbook_pages import checks, sections

from whatsself_otel.catalogue import CONTACT_ID, MESSAGE_ID, REQUEST_ID
from whatsself_otel.cli.demo_app import demo_app
from whatsself_otel.demo.exercise import Exercise
from whatsself_otel.demo.traffic import trace_id_of
from whatsself_otel.operations.model import Source
from whatsself_otel.stack.addresses import Addresses
from whatsself_otel.stack.native import BUILT, remedy
from whatsself_otel.stack.native_stack import Stack, StackConfig

pytestmark = pytest.mark.backend

ROOT = Path(__file__).parent.parent.parent

EVERY_S = 5
"""Recorded values of a month are made every 4 minutes; here they are not waited for."""
STEPS = {":5m]": ":30s]", ":1h]": ":1m]"}
"""Moments at which sums of five minutes and of an hour are summed up; nothing else is changed."""
PATIENCE_S = 150.0
SPAN_METRICS_ROUND_S = 15
"""``metrics_flush_interval`` of the collector's base."""
WINDOW_S = 900
MUST_SHOW = {"overview", "quality", "flows", "providers"}
SESSIONS = {"main": "production", "vendas": "production", "suporte": "staging"}
"""Each session of the run, and its environment."""
CHOICES = {
    "production": {"environment": "production"},
    "staging": {"environment": "staging"},
    **{session: {"environment": place, "session": session} for session, place in SESSIONS.items()},
}
"""The choice on a page, by the name of its column."""

_WELL = "nothing is refused or lost, and the collector makes the counter with its first event"
_NO_BRIDGE = "no bridge runs here; tests/bridge has these series"
_NO_NODE = "no node exporter runs here: it is the reader's own"
MAY_BE_EMPTY = {
    ("collector", "Telemetry the application dropped"): "the demo drops nothing",
    ("collector", "Errors inside the telemetry"): "nothing in it breaks",
    ("rule", "whatsself:collector_exporter_send_failed:increase10m"): _WELL,
    ("rule", "whatsself:collector_exporter_enqueue_failed:increase10m"): _WELL,
    ("rule", "whatsself:collector_too_large:increase10m"): _WELL,
    ("rule", "whatsself:business_open:timestamp_seconds"): "no business hours are set here: it is always open",
    ("runbook", "whatsselfcollectorlosing promql 1"): _WELL,
    ("runbook", "whatsselfcollectorlosing promql 2"): _WELL,
    ("runbook", "whatsselfcollectorqueuesetaside promql 1"): "no queue is corrupt",
    ("runbook", "whatsselfcollectorqueuesetaside logql 1"): "no queue is corrupt",
    ("runbook", "whatsselfcollectorqueuesetaside logsql 1"): "no queue is corrupt",
    ("runbook", "whatsselfstorediscards promql 1"): "Tempo makes the counter with the first span that it throws away",
    ("runbook", "whatsselfstorediscards promql 3"): _WELL,
    **{("runbook", f"whatsselfbridgetargetaway promql {number}"): _NO_BRIDGE for number in (1, 2, 3)},
    ("runbook", "whatsselfstoragefailing promql 3"): _NO_NODE,
    ("runbook", "whatsselfstoragefilling promql 3"): _NO_NODE,
}
"""Panels of the other pages, rules and checks that are right to be empty in a run where all goes well."""

PROOF = """# Every panel's query, with data

Written on {date} by `DASHBOARD_TABLE=docs/evidence/dashboards.md pytest tests/backends/test_dashboard_queries.py`, from
real backends after a day of business in three demos at once: sessions main and vendas in production, suporte in
staging. A number is how many rows the query gave: series, lines, traces or spans.

Right to be empty:

{empty}

{table}
"""

MACROS = {"$__rate_interval": "1m", "$__range": "15m", "$__interval": "15s", "$__auto": "1m"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One query of one panel."""

    page: str
    panel: str
    kind: str
    """Type of the data source: prometheus, loki, tempo, or victorialogs."""
    query: str
    instant: bool = True
    table_type: str = ""
    exemplars: bool = False
    gives: str = ""
    """What Tempo alone gives: ``series`` of a TraceQL query of metrics, ``calls`` between services."""

    @property
    def place(self) -> tuple[str, str]:
        return self.page, self.panel

    @property
    def is_of_a_page(self) -> bool:
        return self.page not in {"runbook", "rule"}

    def filled(self, values: dict[str, str]) -> str:
        """Return the query with macros and variables replaced as Grafana would."""
        text = self.query
        for name, value in {**MACROS, **{f"${{{name}}}": value for name, value in values.items()}}.items():
            text = text.replace(name, value)
        return re.sub(r"\$(\w+)", lambda found: values[found[1]], text)


def kind_of(target: dict[str, Any]) -> str:
    """Return the program that reads *target*."""
    return Store(target["datasource"]["type"]).name.lower()


def asked_by(name: str, document: dict[str, Any]) -> Iterator[Asked]:
    page = name.removesuffix(".json")
    for panel in document["panels"]:
        for target in panel.get("targets", ()):
            yield Asked(
                page=page,
                panel=panel["title"],
                kind=kind_of(target),
                query=target.get("expr") or target.get("serviceMapQuery") or target["query"],
                instant=target.get("instant", False),
                gives=gives(target),
                table_type=target.get("tableType", ""),
                exemplars=target.get("exemplar", False),
            )


def gives(target: dict[str, Any]) -> str:
    """Return what *target* gives beside traces."""
    if target.get("queryType") == "serviceMap":
        return "calls"
    return "series" if "metricsQueryType" in target else ""


def linked_by(name: str, document: dict[str, Any]) -> Iterator[Asked]:
    """Return the queries that a panel's links open."""
    for panel in document["panels"]:
        for link in panel.get("links", ()):
            panes = json.loads(urllib.parse.parse_qs(urllib.parse.urlparse(link["url"]).query)["panes"][0])
            query = panes["A"]["queries"][0]
            yield Asked(
                page=name.removesuffix(".json"),
                panel=f"{panel['title']} → {link['title']}",
                kind=kind_of(query),
                query=query.get("expr") or query["query"],
                table_type="traces",
            )


KINDS = {"promql": "prometheus", "logql": "loki", "logsql": "victorialogs", "traceql": "tempo"}
"""Language of a runbook's check -> type of the data source."""


def asked_by_runbooks() -> Iterator[Asked]:
    """
    Return the checks to paste of each runbook, without the ``> 0`` that hides healthy values.

    The alert's own rule, below them, is empty while all is well.
    """
    for name, section in sections(RUNBOOKS).items():
        for language, kind in KINDS.items():
            for number, query in enumerate(re.findall(rf"```{language}\n(.*?)```", checks(section), re.DOTALL), 1):
                text = re.sub(r" > \w+$", "", re.sub(r"\s+", " ", query).strip())
                panel = f"{name.lower()} {language} {number}"
                yield Asked(page="runbook", panel=panel, kind=kind, query=text, table_type="traces")


def asked_by_rules() -> Iterator[Asked]:
    """Return what each recording rule has recorded."""
    for path in sorted((ROOT / "backends" / "prometheus" / "rules").glob("*.yml")):
        for group in yaml.safe_load(path.read_text("utf-8"))["groups"]:
            for name in sorted({rule["record"] for rule in group["rules"] if "record" in rule}):
                yield Asked(page="rule", panel=name, kind="prometheus", query=name)


def english(logs: Store) -> dict[str, dict[str, Any]]:
    found = documents(Source.load(), logs=logs)
    return {name: each for name, each in found.items() if not name.endswith(".pt-BR.json")}


ENGLISH = english(Store.LOKI)
BOTH = [*ENGLISH.items(), *english(Store.VICTORIALOGS).items()]
"""The pages as they ship, and once more with the lines of logs from VictoriaLogs."""
ASKED = [
    *dict.fromkeys(asked for name, each in BOTH for asked in asked_by(name, each)),
    *asked_by_runbooks(),
    *asked_by_rules(),
]
LINKED = list(dict.fromkeys(asked for name, each in BOTH for asked in linked_by(name, each)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message of the run, by each id that finds it."""

    request_id: str
    contact_id: str
    message_id: str
    trace_id: str

    def by(self, name: str) -> dict[str, str]:
        """Return the boxes of the page with only that of *name* filled, and the trace that it led to."""
        ids = {REQUEST_ID: self.request_id, CONTACT_ID: self.contact_id, MESSAGE_ID: self.message_id}
        return {**dict.fromkeys(ids, ""), name: ids[name], "traceId": self.trace_id}


@dataclass(frozen=True, slots=True, kw_only=True)
class Backends:
    """The running backends, and the data in them."""

    stack: Stack
    message: Message
    since_s: float

    def rows(self, asked: Asked, *, by: str = MESSAGE_ID, chosen: dict[str, str] | None = None) -> int:
        """
        Return how many rows *asked* gives: series with a finite value, lines, traces or spans.

        Args:
            asked: One query.
            by: The id that is typed on the page of one message.
            chosen: Values of the page's variables; the rest are "All".

        Raises:
            httpx.HTTPStatusError: The backend refused the query.
        """
        query = asked.filled({**all_of(asked.page), **(chosen or {}), **self.message.by(by)})
        if asked.kind == "prometheus":
            return self._series(query, instant=asked.instant)
        if asked.gives == "calls":
            # What Grafana's source of traces asks its source of metrics for.
            calls = (
                f"sum by (client, server) (rate(traces_service_graph_request_total{query}[{MACROS['$__range']}])) > 0"
            )
            return self._series(calls, instant=True)
        if asked.gives == "series":
            return self._counted(query)
        if asked.kind == "tempo":
            return self._traces(query, asked)
        return self._lines(query) if asked.kind == "loki" else self._lines_of_victorialogs(query)

    def has(self, program: str) -> bool:
        """Return whether *program* runs."""
        return program in self.stack.processes

    def can_read(self, asked: Asked) -> bool:
        """Return whether a program runs that reads *asked*, or what `rows` makes of it for another."""
        return self.has(asked.kind) or (asked.kind == "tempo" and not asked.gives)

    def exemplars(self, asked: Asked) -> set[str]:
        """Return the ids of the traces that Prometheus keeps beside the series of *asked*."""
        window = {"start": self.since_s, "end": time.time()}
        query = asked.filled(all_of(asked.page))
        found = get(f"{self.stack.addresses.prometheus}/api/v1/query_exemplars", query=query, **window)["data"]
        return {exemplar["labels"]["trace_id"] for series in found for exemplar in series["exemplars"]}

    def _series(self, query: str, *, instant: bool) -> int:
        now = time.time()
        url = f"{self.stack.addresses.prometheus}/api/v1/"
        if instant:
            found = get(f"{url}query", query=query, time=now)["data"]["result"]
            return sum(math.isfinite(float(each["value"][1])) for each in found)
        window = {"start": now - WINDOW_S, "end": now, "step": 15}
        found = get(f"{url}query_range", query=query, **window)["data"]["result"]
        return sum(any(math.isfinite(float(value)) for _, value in each["values"]) for each in found)

    def _lines(self, query: str) -> int:
        window = {"start": int((self.since_s - 60) * 1e9), "end": int((time.time() + 60) * 1e9), "limit": 1000}
        found = get(f"{self.stack.addresses.loki}/loki/api/v1/query_range", query=query, **window)
        return sum(len(stream["values"]) for stream in found["data"]["result"])

    def _lines_of_victorialogs(self, query: str) -> int:
        url = f"{self.stack.addresses.victorialogs}/select/logsql/query"
        window = {"start": int(self.since_s) - 60, "end": int(time.time()) + 60}
        return len(answer_of(url, query=query, **window).text.splitlines())

    def _traces(self, query: str, asked: Asked) -> int:
        if not self.has("tempo"):
            return self._traces_of_jaeger(query, asked)
        url = self.stack.addresses.tempo
        if not asked.table_type:
            return len(get(f"{url}/api/v2/traces/{query}").get("trace", {}).get("resourceSpans", []))
        window = {"start": int(self.since_s) - 60, "end": int(time.time()) + 60, "limit": 50, "spss": 50}
        found = get(f"{url}/api/search", q=query, **window).get("traces") or []
        return sum(trace["spanSets"][0]["matched"] if asked.table_type == "spans" else 1 for trace in found)

    def _counted(self, query: str) -> int:
        window = {"start": int(self.since_s) - 60, "end": int(time.time()) + 60, "step": "15s"}
        found = get(f"{self.stack.addresses.tempo}/api/metrics/query_range", q=query, **window)
        return sum(any(sample.get("value") for sample in each["samples"]) for each in found["series"])

    def _traces_of_jaeger(self, query: str, asked: Asked) -> int:
        """Ask for each alternative of the query separately: Jaeger reads no TraceQL."""
        url = self.stack.addresses.jaeger
        if not asked.table_type:
            return len(get(f"{url}/api/traces/{query}")["data"])
        ids = re.findall(r'span\.(\w+) = "([^"]+)"', query)
        always = {tag: value for asked_for, (tag, value) in _JAEGER.items() if asked_for in query}
        found = [
            get(f"{url}/api/traces", service="whatsself", tags=json.dumps(tags), limit=50)["data"]
            for tags in ([{name: value} for name, value in ids] or [always])
            if tags
        ]
        return sum(map(len, found))


_JAEGER = {"status = error": ("error", "true"), "kind = server": ("span.kind", "server")}
"""What TraceQL asks for, as a tag of Jaeger's."""


def all_of(page: str) -> dict[str, str]:
    """Return what "All" stands for in each list of *page*."""
    lists = ENGLISH.get(f"{page}.json", ENGLISH["overview.json"])["templating"]["list"]
    return {each["name"]: each["allValue"] for each in lists if each["type"] == "query"}


def get(url: str, **parameters: Any) -> Any:
    return answer_of(url, **parameters).json()


def answer_of(url: str, **parameters: Any) -> httpx.Response:
    answer = httpx.get(url, params=parameters, headers={"accept": "application/json"}, trust_env=False, timeout=30)
    return answer.raise_for_status()


async def live(url: str, session: str) -> Message:
    """Have the day of business, one message more, one answer that fails and one that is not found."""
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=30) as client:
        payload = {"phone": "+5511988880001", "name": "Cliente", "body": "precos"}
        answer = (await client.post("/webhook/messages", json=payload)).raise_for_status()
        await client.get("/api/faults/error", headers={"connection": "close"})
        await client.get("/api/messages/none")
        await Exercise(client=client, session=session, patience_s=90).run()
        # The collector's span metrics are born with what their first round counted: only a later call is an increase.
        await asyncio.sleep(SPAN_METRICS_ROUND_S + 1)
        later = {"phone": "+5511988880002", "name": "Cliente", "body": "precos"}
        (await client.post("/webhook/messages", json=later)).raise_for_status()
        # An exporter's round and one more of the workers' rates.
        await asyncio.sleep(5)
    return Message(
        request_id=answer.headers["x-request-id"],
        contact_id=answer.json()["contactId"],
        message_id=answer.json()["messageId"],
        trace_id=str(trace_id_of(answer)),
    )


async def live_all(urls: dict[str, str]) -> list[Message]:
    return await asyncio.gather(*(live(url, session) for session, url in urls.items()))


def hasten(stack: Stack) -> None:
    """Have Prometheus look and compute often, by the intervals alone."""
    folder = stack.config.data / "config" / "prometheus"
    main = folder / "prometheus.yml"
    config = yaml.safe_load(main.read_text("utf-8"))
    config["global"] = {"scrape_interval": f"{EVERY_S}s", "evaluation_interval": f"{EVERY_S}s"}
    main.write_text(yaml.safe_dump(config), "utf-8")
    for path in folder.glob("rules/*.yml"):
        rules = yaml.safe_load(path.read_text("utf-8"))
        for group in rules["groups"]:
            group.pop("interval", None)
            for rule in group["rules"]:
                for given, close in STEPS.items():
                    rule["expr"] = rule["expr"].replace(given, close)
        path.write_text(yaml.safe_dump(rules), "utf-8")
    stack.restart("prometheus")


@pytest.fixture(scope="module")
def backends(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backends]:
    for program in BUILT:
        need(program)
    since_s = time.time()
    config = StackConfig(data=tmp_path_factory.mktemp("dashboards"), addresses=Addresses.free())
    quick = {
        "OTEL_METRIC_EXPORT_INTERVAL": "2000",
        "DEMO_RECONNECT_S": "3",
        "DEMO_UNANSWERED_AFTER_S": "3",
    }
    with Stack(config) as stack:
        hasten(stack)
        with contextlib.ExitStack() as running:
            urls = {}
            for session, place in SESSIONS.items():
                mine = {**quick, "DEMO_SESSION": session, "WHATSSELF_OTEL_ENVIRONMENT": place}
                mine["OTEL_RESOURCE_ATTRIBUTES"] = "service.namespace=shop"
                urls[session] = running.enter_context(demo_app(stack.addresses.otlp_http, environment=mine)).url
            messages = asyncio.run(live_all(urls))
            yield Backends(stack=stack, message=messages[0], since_s=since_s)


@pytest.fixture(scope="module")
def counted(backends: Backends) -> dict[Asked, int]:
    """Ask everything until all that must show does, or patience ends."""
    deadline_s = time.monotonic() + PATIENCE_S
    found = {asked: backends.rows(asked) for asked in ASKED if backends.can_read(asked)}
    while missing(found) and time.monotonic() < deadline_s:
        time.sleep(2)
        found |= {asked: backends.rows(asked) for asked in missing(found)}
    return found


def missing(found: dict[Asked, int]) -> list[Asked]:
    return [asked for asked, rows in found.items() if not rows and asked.place not in MAY_BE_EMPTY]


@pytest.fixture(scope="module")
def chosen(backends: Backends, counted: dict[Asked, int]) -> dict[Asked, dict[str, int]]:
    """The rows of each page's queries for each choice."""
    return {
        asked: {name: backends.rows(asked, chosen=choice) for name, choice in CHOICES.items()}
        for asked in counted
        if asked.is_of_a_page
    }


def table(counted: dict[Asked, int], chosen: dict[Asked, dict[str, int]]) -> str:
    columns = ["page", "panel", "data source", "all", *CHOICES, "query"]
    rows = [
        [asked.page, asked.panel, asked.kind, str(rows), *choices(chosen.get(asked)), f"`{asked.query}`"]
        for asked, rows in counted.items()
    ]
    unread = [
        [asked.page, asked.panel, asked.kind, f"{asked.kind} does not run here", *choices(None), f"`{asked.query}`"]
        for asked in ASKED
        if asked not in counted
    ]
    lines = [columns, ["---"] * len(columns), *rows, *unread]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def choices(rows: dict[str, int] | None) -> list[str]:
    return [str(rows[name]) if rows else "" for name in CHOICES]


def test_every_query_of_every_panel_returns_data(
    counted: dict[Asked, int], chosen: dict[Asked, dict[str, int]], capsys: pytest.CaptureFixture[str]
) -> None:
    text = table(counted, chosen)
    with capsys.disabled():
        sys.stdout.write(f"\n\n{text}\n")
    if path := os.environ.get("DASHBOARD_TABLE"):
        empty = "\n".join(f"- {page}, {panel}: {why}." for (page, panel), why in MAY_BE_EMPTY.items())
        Path(path).write_text(PROOF.format(date=datetime.now(UTC).date(), table=text, empty=empty), "utf-8")

    assert [f"{asked.page}: {asked.panel}: {asked.query}" for asked in missing(counted)] == []


def test_each_environment_and_each_session_has_data_of_its_own(chosen: dict[Asked, dict[str, int]]) -> None:
    empty = [
        f"{asked.page}: {asked.panel}: {name}: {asked.query}"
        for asked, rows in chosen.items()
        for name, count in rows.items()
        if not count and asked.place not in MAY_BE_EMPTY and asked.page != "message"
    ]

    assert empty == []


@pytest.mark.parametrize("kind", ["prometheus", "victorialogs", "tempo"])
def test_a_place_where_nothing_runs_shows_nothing(backends: Backends, counted: dict[Asked, int], kind: str) -> None:
    """A page of production shows nothing of staging; data without an environment is on each."""
    if not backends.has(kind):
        pytest.skip(f"{kind} does not run here. {remedy(kind)}")
    nowhere = {"environment": "nowhere"}
    shown = [
        asked for asked in counted if asked.is_of_a_page and asked.kind == kind and backends.rows(asked, chosen=nowhere)
    ]

    everywhere = re.compile(r"\(\$environment\)\?|collector_|\$\{(trace|request)Id")
    assert [each for each in shown if not everywhere.search(each.query)] == []


def test_each_session_is_told_apart(backends: Backends, counted: dict[Asked, int]) -> None:
    states = next(asked for asked in counted if asked.place == ("overview", "Session"))
    events = next(asked for asked in counted if asked.panel == "Session events" and asked.kind == "victorialogs")
    wrong = {"environment": "production", "session": "suporte"}

    assert backends.rows(states) == len(SESSIONS)
    assert {name: backends.rows(states, chosen=CHOICES[name]) for name in SESSIONS} == dict.fromkeys(SESSIONS, 1)
    assert backends.rows(states, chosen=wrong) == backends.rows(events, chosen=wrong) == 0
    assert sum(backends.rows(events, chosen=CHOICES[name]) for name in SESSIONS) == backends.rows(events)


@pytest.mark.usefixtures("counted")
def test_the_map_names_both_ends_of_each_call(backends: Backends) -> None:
    """Whoever calls from outside is ``user``: a server's own address is not its caller's."""
    if not backends.has("tempo"):
        pytest.skip(f"tempo does not run here. {remedy('tempo')}")
    query = 'traces_service_graph_request_total{deployment_environment_name="production"}'
    found = get(f"{backends.stack.addresses.prometheus}/api/v1/query", query=query)["data"]["result"]
    calls = {(each["metric"]["client"], each["metric"]["server"]) for each in found}

    assert {("user", "whatsself"), ("whatsself", "whatsself"), ("whatsself", "whatsapp")} < calls
    assert {client for client, _ in calls} == {"user", "whatsself"}


@pytest.mark.usefixtures("counted")
def test_an_alerts_link_chooses_where_it_fired_and_nothing_empty(backends: Backends) -> None:
    """As Prometheus has filled it in."""
    found = get(f"{backends.stack.addresses.prometheus}/api/v1/alerts")["data"]["alerts"]
    of_session = [alert for alert in found if "session" in alert["labels"]]
    assert of_session
    for alert in found:
        asked = urllib.parse.parse_qs(urllib.parse.urlparse(alert["annotations"]["dashboard_url"]).query, True)
        assert all(value for values in asked.values() for value in values)
        place = alert["labels"].get("deployment_environment_name")
        assert asked.get("var-environment") == (place and [place])
        assert asked.get("var-session") == ([alert["labels"]["session"]] if alert in of_session else None)


def test_what_may_be_empty_is_little_named_and_on_no_page_that_must_show() -> None:
    assert len([page for page, _ in MAY_BE_EMPTY if page not in {"runbook", "rule"}]) <= 2
    assert {page for page, _ in MAY_BE_EMPTY} & MUST_SHOW == set()
    assert set(MAY_BE_EMPTY) <= {asked.place for asked in ASKED}


@pytest.mark.parametrize("name", [REQUEST_ID, CONTACT_ID, MESSAGE_ID])
@pytest.mark.usefixtures("counted")
def test_one_message_is_found_by_each_of_its_ids(backends: Backends, name: str) -> None:
    by_id = [
        asked for asked in ASKED if asked.page == "message" and asked.kind != "prometheus" and backends.can_read(asked)
    ]
    rows = {asked.panel: backends.rows(asked, by=name) for asked in by_id}

    assert len(rows) == 4
    assert all(rows.values()), rows


@pytest.mark.usefixtures("counted")
def test_with_every_box_empty_nothing_is_found(backends: Backends) -> None:
    nobody = Message(request_id="", contact_id="", message_id="", trace_id="")
    empty = Backends(stack=backends.stack, message=nobody, since_s=backends.since_s)
    by_id = [asked for asked in ASKED if asked.page == "message" and (asked.table_type or asked.kind == "victorialogs")]

    assert {asked.panel: empty.rows(asked) for asked in by_id} == dict.fromkeys((asked.panel for asked in by_id), 0)


@pytest.mark.usefixtures("counted")
def test_the_query_behind_every_link_is_accepted(backends: Backends) -> None:
    assert LINKED
    for asked in LINKED:
        if backends.can_read(asked):
            backends.rows(asked)


@pytest.mark.usefixtures("counted")
@pytest.mark.parametrize("asked", [asked for asked in ASKED if asked.exemplars], ids=lambda asked: asked.panel)
def test_dots_beside_a_duration_are_traces_of_the_run(backends: Backends, asked: Asked) -> None:
    traces = backends.exemplars(asked)

    assert traces
    assert all(re.fullmatch(r"[0-9a-f]{32}", trace) for trace in traces)


@pytest.mark.parametrize("kind", ["prometheus", "victorialogs", "loki", "tempo"])
def test_a_query_that_does_not_parse_is_refused(backends: Backends, kind: str) -> None:
    """So that a query above that is accepted means something."""
    if not backends.has(kind):
        pytest.skip(f"{kind} does not run here. {remedy(kind)}")
    with pytest.raises(httpx.HTTPStatusError):
        backends.rows(Asked(page="overview", panel="", kind=kind, query="{ = }", table_type="traces"))


def test_a_metric_of_no_name_gives_no_row(backends: Backends) -> None:
    """The count can be zero."""
    wrong = Asked(page="overview", panel="", kind="prometheus", query='queue_depths{job=~"$job"}')

    assert backends.rows(wrong) == 0
