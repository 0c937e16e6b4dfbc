"""Every query of every panel, rule and runbook, asked of the real backends after a day of business in the demo."""

from __future__ import annotations

import asyncio
import json
import math
import re
import sys
import time
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from binaries import need
from dashboards.files import documents

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
"""Recorded values of a month are made every 4 minutes; here they are not waited for, and nothing else is changed."""
PATIENCE_S = 90.0
SPAN_METRICS_ROUND_S = 15
"""``metrics_flush_interval`` of the collector's base."""
WINDOW_S = 900
MUST_SHOW = {"overview", "quality", "flows"}

MAY_BE_EMPTY = {
    ("collector", "Telemetry the application dropped"): "the demo drops nothing",
    ("runbook", "whatsselfcollectorlosing promql 2"): "no backend refuses anything",
    ("runbook", "whatsselfcollectorqueuesetaside promql 1"): "no queue is corrupt",
    ("runbook", "whatsselfcollectorqueuesetaside logql 1"): "no queue is corrupt",
    ("runbook", "whatsselfcollectorqueuesetaside logsql 1"): "no queue is corrupt",
}
"""Panels of the other pages, and checks, that are right to be empty in a run where all goes well; at most five."""

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

    @property
    def place(self) -> tuple[str, str]:
        return self.page, self.panel

    def filled(self, values: dict[str, str]) -> str:
        """Return the query with macros and variables replaced as Grafana would."""
        text = self.query
        for name, value in {**MACROS, **{f"${{{name}}}": value for name, value in values.items()}}.items():
            text = text.replace(name, value)
        return re.sub(r"\$(\w+)", lambda found: values[found[1]], text)


def asked_by(name: str, document: dict[str, Any]) -> Iterator[Asked]:
    page = name.removesuffix(".json")
    for panel in document["panels"]:
        for target in panel.get("targets", ()):
            yield Asked(
                page=page,
                panel=panel["title"],
                kind=target["datasource"]["type"],
                query=target.get("expr") or target["query"],
                instant=target.get("instant", False),
                table_type=target.get("tableType", ""),
                exemplars=target.get("exemplar", False),
            )


def linked_by(name: str, document: dict[str, Any]) -> Iterator[Asked]:
    """Return the queries that a panel's links open."""
    for panel in document["panels"]:
        for link in panel.get("links", ()):
            panes = json.loads(urllib.parse.parse_qs(urllib.parse.urlparse(link["url"]).query)["panes"][0])
            query = panes["A"]["queries"][0]
            yield Asked(
                page=name.removesuffix(".json"),
                panel=f"{panel['title']} → {link['title']}",
                kind=query["datasource"]["type"],
                query=query.get("expr") or query["query"],
                table_type="traces",
            )


KINDS = {"promql": "prometheus", "logql": "loki", "logsql": "victorialogs", "traceql": "tempo"}
"""Language of a runbook's check -> type of the data source."""


def asked_by_runbooks() -> Iterator[Asked]:
    """
    Return the checks to paste of each runbook, without the ``> 0`` that hides what is well.

    The alert's own rule, below them, is empty while all is well.
    """
    for page in sorted((ROOT / "docs" / "runbooks").glob("whatsself*.md")):
        checks = page.read_text("utf-8").partition("## Checks")[2].partition("## Fix")[0]
        for language, kind in KINDS.items():
            for number, query in enumerate(re.findall(rf"```{language}\n(.*?)```", checks, re.DOTALL), 1):
                text = re.sub(r" > \w+$", "", re.sub(r"\s+", " ", query).strip())
                panel = f"{page.stem} {language} {number}"
                yield Asked(page="runbook", panel=panel, kind=kind, query=text, table_type="traces")


def asked_by_rules() -> Iterator[Asked]:
    """Return what each recording rule has recorded."""
    for path in sorted((ROOT / "backends" / "prometheus" / "rules").glob("*.yml")):
        for group in yaml.safe_load(path.read_text("utf-8"))["groups"]:
            for name in sorted({rule["record"] for rule in group["rules"] if "record" in rule}):
                yield Asked(page="rule", panel=name, kind="prometheus", query=name)


ENGLISH = {name: each for name, each in documents(Source.load()).items() if not name.endswith(".pt-BR.json")}
ASKED = [
    *[asked for name, each in ENGLISH.items() for asked in asked_by(name, each)],
    *asked_by_runbooks(),
    *asked_by_rules(),
]
LINKED = [asked for name, each in ENGLISH.items() for asked in linked_by(name, each)]


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
    """The running backends, and what is to be found in them."""

    stack: Stack
    message: Message
    since_s: float

    def rows(self, asked: Asked, *, by: str = MESSAGE_ID) -> int:
        """
        Return how many rows *asked* gives: series with a finite value, lines, traces or spans.

        Raises:
            httpx.HTTPStatusError: The backend refused the query.
        """
        query = asked.filled({**all_of(asked.page), **self.message.by(by)})
        if asked.kind == "prometheus":
            return self._series(query, instant=asked.instant)
        if asked.kind == "tempo":
            return self._traces(query, asked)
        if asked.kind == "loki" and self.has("loki"):
            return self._lines(query)
        return self._lines_of_victorialogs(query if asked.kind == "victorialogs" else as_logsql(query))

    def has(self, program: str) -> bool:
        """Return whether *program* runs."""
        return program in self.stack.processes

    def can_read(self, asked: Asked) -> bool:
        """Return whether a program runs that reads *asked*, or what `rows` makes of it for another."""
        return asked.page != "runbook" or self.has(asked.kind)

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
        return len(answer_of(url, query=query, **window).text.splitlines()) if query else 0

    def _traces(self, query: str, asked: Asked) -> int:
        if not self.has("tempo"):
            return self._traces_of_jaeger(query, asked)
        url = self.stack.addresses.tempo
        if not asked.table_type:
            return len(get(f"{url}/api/v2/traces/{query}").get("trace", {}).get("resourceSpans", []))
        window = {"start": int(self.since_s) - 60, "end": int(time.time()) + 60, "limit": 50, "spss": 50}
        found = get(f"{url}/api/search", q=query, **window).get("traces") or []
        return sum(trace["spanSets"][0]["matched"] if asked.table_type == "spans" else 1 for trace in found)

    def _traces_of_jaeger(self, query: str, asked: Asked) -> int:
        """Ask for each alternative of the query by itself: Jaeger reads no TraceQL."""
        url = self.stack.addresses.jaeger
        if not asked.table_type:
            return len(get(f"{url}/api/traces/{query}")["data"])
        tags = dict(re.findall(r'span\.(\w+) = "([^"]+)"', query))
        found = [
            get(f"{url}/api/traces", service="whatsself", tags=json.dumps({name: value}), limit=50)["data"]
            for name, value in tags.items()
        ]
        return sum(map(len, found))


def all_of(page: str) -> dict[str, str]:
    """Return what "All" stands for in each list of *page*."""
    lists = ENGLISH.get(f"{page}.json", ENGLISH["overview.json"])["templating"]["list"]
    return {each["name"]: each["allValue"] for each in lists if each["type"] == "query"}


def as_logsql(query: str) -> str:
    """Return a page's LogQL in LogsQL, nothing where it asks for no id: VictoriaLogs reads no LogQL."""
    by_level = re.search(r'detected_level =~ "([^"]+)"', query)
    if by_level:
        return f'severity_text:~"{by_level[1]}"'
    by_id = re.findall(r'(\w+) = "([^"]+)"', query)
    if by_id or " = " in query:
        return " or ".join(f'{name}:="{value}"' for name, value in by_id)
    return " ".join(f"{name}:*" for name in re.findall(r'(\w+) != ""', query))


def get(url: str, **parameters: Any) -> Any:
    return answer_of(url, **parameters).json()


def answer_of(url: str, **parameters: Any) -> httpx.Response:
    answer = httpx.get(url, params=parameters, headers={"accept": "application/json"}, trust_env=False, timeout=30)
    return answer.raise_for_status()


async def live(url: str) -> Message:
    """Have the day of business, one message more, one answer that fails and one that is not found."""
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=30) as client:
        payload = {"phone": "+5511988880001", "name": "Cliente", "body": "precos"}
        answer = (await client.post("/webhook/messages", json=payload)).raise_for_status()
        await client.get("/api/faults/error", headers={"connection": "close"})
        await client.get("/api/messages/none")
        await Exercise(client=client).run()
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
        with demo_app(stack.addresses.otlp_http, environment=quick) as app:
            message = asyncio.run(live(app.url))
            yield Backends(stack=stack, message=message, since_s=since_s)


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


def table(counted: dict[Asked, int]) -> str:
    heading = "| page | panel | data source | rows | query |\n| --- | --- | --- | ---: | --- |"
    rows = (
        (asked.page, asked.panel, asked.kind, str(rows), f"`{asked.query.replace('|', chr(92) + '|')}`")
        for asked, rows in counted.items()
    )
    return "\n".join([heading, *(f"| {' | '.join(row)} |" for row in rows)])


def test_every_query_of_every_panel_returns_data(counted: dict[Asked, int], capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        sys.stdout.write(f"\n\n{table(counted)}\n")

    assert [f"{asked.page}: {asked.panel}: {asked.query}" for asked in missing(counted)] == []


def test_what_may_be_empty_is_little_named_and_on_no_page_that_must_show() -> None:
    assert len(MAY_BE_EMPTY) <= 5
    assert {page for page, _ in MAY_BE_EMPTY} & MUST_SHOW == set()
    assert set(MAY_BE_EMPTY) <= {asked.place for asked in ASKED}


@pytest.mark.parametrize("name", [REQUEST_ID, CONTACT_ID, MESSAGE_ID])
@pytest.mark.usefixtures("counted")
def test_one_message_is_found_by_each_of_its_ids(backends: Backends, name: str) -> None:
    by_id = [asked for asked in ASKED if asked.page == "message" and asked.kind != "prometheus"]
    rows = {asked.panel: backends.rows(asked, by=name) for asked in by_id}

    assert len(rows) == 4
    assert all(rows.values()), rows


@pytest.mark.usefixtures("counted")
def test_with_every_box_empty_nothing_is_found(backends: Backends) -> None:
    nobody = Message(request_id="", contact_id="", message_id="", trace_id="")
    empty = Backends(stack=backends.stack, message=nobody, since_s=backends.since_s)
    by_id = [asked for asked in ASKED if asked.page == "message" and (asked.table_type or asked.kind == "loki")]

    assert {asked.panel: empty.rows(asked) for asked in by_id} == dict.fromkeys((asked.panel for asked in by_id), 0)


@pytest.mark.usefixtures("counted")
def test_the_query_behind_every_link_is_accepted(backends: Backends) -> None:
    assert LINKED
    for asked in LINKED:
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
