"""Dashboards as pictures: what each panel asks is asked of the real stores, and Grafana's own components draw it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from dashboards.files import documents
from dashboards.model import Store
from test_dashboard_queries import MACROS, MAY_BE_EMPTY, SESSIONS, Backends, gives

from whatsself_otel.operations.model import Source
from whatsself_otel.stack.paths import cache_dir

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

HERE = Path(__file__).parent
STEP_S = 5
_DAY_S = 86_400
_BUNDLE = [
    "page.mjs", "--bundle", "--format=iife", "--outfile=page.js", "--loader:.svg=dataurl", "--loader:.ttf=dataurl",
    "--loader:.woff=dataurl", "--loader:.woff2=dataurl",
    '--define:process.env.NODE_ENV="production"', "--define:global=window", "--log-level=error",
]  # fmt: skip


def bundle() -> Path:
    """
    Install Grafana's components beside the page that uses them, and put all into one script.

    They lie in the user's cache, since they are 416 MB, and are installed again when the lock changes.
    """
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not here: Grafana's components cannot be installed (Debian: apt-get install npm)")
    folder = cache_dir() / "seen"
    folder.mkdir(parents=True, exist_ok=True)
    lock = (HERE / "package-lock.json").read_text("utf-8")
    done = folder / "installed-lock.json"
    for name in ("package.json", "package-lock.json", "page.mjs"):
        shutil.copy(HERE / name, folder)
    if not done.exists() or done.read_text("utf-8") != lock:
        install = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--legacy-peer-deps"]
        tried = subprocess.run(install, cwd=folder, capture_output=True, text=True, check=False)
        if tried.returncode:
            pytest.skip(f"npm could not install Grafana's components: {tried.stderr.strip().splitlines()[-1]}")
        done.write_text(lock, "utf-8")
    subprocess.run([folder / "node_modules/.bin/esbuild", *_BUNDLE], cwd=folder, check=True)
    return folder / "page.js"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One way to look at a page."""

    mode: str
    """``light`` or ``dark``."""
    width: int
    """Pixels of the window."""


def pages(backends: Backends) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each dashboard by its file name, with the answers to its queries."""
    found = documents(Source.load(), logs=Store.VICTORIALOGS)
    for name, document in found.items():
        key, _, ending = name.removesuffix(".json").partition(".")
        english = found[f"{key}.json"]["panels"]
        for panel, original in zip(document["panels"], english, strict=True):
            panel["may_be_empty"] = (key, original["title"]) in MAY_BE_EMPTY or not _can_be_asked(panel, backends)
        yield f"{key}.{ending}".rstrip("."), answered(document, backends)


def _can_be_asked(panel: dict[str, Any], backends: Backends) -> bool:
    """Return whether a store is there that answers *panel*: what Tempo alone gives is not to be had without it."""
    return backends.has("tempo") or not any(map(gives, panel.get("targets", ())))


def answered(document: dict[str, Any], backends: Backends) -> dict[str, Any]:
    """Return the data for the page's script: panels in order, each with its answers."""
    lists = document["templating"]["list"]
    chosen = {each["name"]: each["allValue"] for each in lists if each["type"] == "query"}
    typed = backends.message.by("messageId")
    panels, answers = [], {}
    for number, (panel, session) in enumerate(_repeated(document["panels"])):
        shown = {**panel, "key": str(number), "title": panel["title"].replace("$session", session)}
        if panel.get("interval") == "1d":
            shown["from"] = time.time() // _DAY_S * _DAY_S - 2 * _DAY_S
        values = {**chosen, **typed, **({"session": session} if session else {})}
        answers[shown["key"]] = {
            target["refId"]: _answer(target, shown, values, backends) for target in panel.get("targets", ())
        }
        panels.append(shown)
    return {"panels": panels, "answers": answers, "from": backends.since_s, "to": time.time()}


def _repeated(panels: list[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield each panel, those of a repeated row once a session and further down each time."""
    down, row = 0, [panel for panel in panels if "repeat" in panel]
    if not row:
        yield from ((panel, "") for panel in panels)
        return
    start = panels.index(row[0])
    end = next(at for at in range(start + 1, len(panels)) if panels[at]["type"] == "row")
    tall = panels[end]["gridPos"]["y"] - panels[start]["gridPos"]["y"]
    yield from ((panel, "") for panel in panels[:start])
    for down, session in enumerate(SESSIONS):
        yield from ((_lower(panel, down * tall), session) for panel in panels[start:end])
    yield from ((_lower(panel, down * tall), "") for panel in panels[end:])


def _lower(panel: dict[str, Any], by: int) -> dict[str, Any]:
    return {**panel, "gridPos": {**panel["gridPos"], "y": panel["gridPos"]["y"] + by}}


def _answer(target: dict[str, Any], panel: dict[str, Any], values: dict[str, str], backends: Backends) -> Any:
    query = str(target.get("expr") or target.get("serviceMapQuery") or target["query"])
    for name, value in {**MACROS, **{f"${{{name}}}": value for name, value in values.items()}}.items():
        query = query.replace(name, value)
    query = re.sub(r"\$(\w+)", lambda found: values[found[1]], query)
    addresses = backends.stack.addresses
    store = Store(target["datasource"]["type"])
    if store is Store.PROMETHEUS:
        return _metrics(f"{addresses.prometheus}/api/v1", query, panel, instant=target["instant"], backends=backends)
    window = {"start": int(backends.since_s) - 60, "end": int(time.time()) + 60}
    if store is Store.VICTORIALOGS:
        text = _get(f"{addresses.victorialogs}/select/logsql/query", query=query, limit=40, **window).text
        return {"lines": [json.loads(line) for line in text.splitlines()]}
    if form := gives(target):
        return _of_tempo(form, query, backends) if backends.has("tempo") else {}
    if re.fullmatch("[0-9a-f]{32}", query):
        spans = _get(f"{addresses.jaeger}/api/traces/{query}").json()["data"][0]["spans"]
        return {"traces": [{"trace": each["spanID"], "name": each["operationName"], "spans": 1} for each in spans]}
    tags = dict(re.findall(r'span\.(\w+) = "([^"]+)"', query))
    found = [
        trace
        for name, value in tags.items()
        for trace in _get(
            f"{addresses.jaeger}/api/traces", service="whatsself", tags=json.dumps({name: value}), limit=20
        ).json()["data"]
    ]
    rows = [
        {"trace": trace["traceID"], "name": trace["spans"][0]["operationName"], "spans": len(trace["spans"])}
        for trace in found
    ]
    return {"traces": rows}


def _of_tempo(form: str, query: str, backends: Backends) -> Any:
    """Return calls between services as rows, or a TraceQL query's series as Prometheus would give them."""
    addresses = backends.stack.addresses
    if form == "calls":
        calls = f"sum by (client, server) (rate(traces_service_graph_request_total{query}[15m])) > 0"
        found = _get(f"{addresses.prometheus}/api/v1/query", query=calls).json()["data"]["result"]
        rows = [each["metric"] for each in found]
        return {"traces": [{"trace": each["client"], "name": f"→ {each['server']}", "spans": 1} for each in rows]}
    window = {"start": int(backends.since_s), "end": int(time.time()), "step": "15s"}
    found = _get(f"{addresses.tempo}/api/metrics/query_range", q=query, **window).json()["series"]
    return {
        "result": [
            {
                "metric": {label["key"]: next(iter(label["value"].values())) for label in each["labels"]},
                "values": [[int(one["timestampMs"]) / 1000, one.get("value", 0)] for one in each["samples"]],
            }
            for each in found
        ]
    }


def _metrics(url: str, query: str, panel: dict[str, Any], *, instant: bool, backends: Backends) -> Any:
    now = time.time()
    if instant:
        return _get(f"{url}/query", query=query, time=now).json()["data"]
    start, step = panel.get("from", backends.since_s), _DAY_S if "from" in panel else STEP_S
    return _get(f"{url}/query_range", query=query, start=start, end=now, step=step).json()["data"]


def _get(url: str, **parameters: Any) -> httpx.Response:
    return httpx.get(url, params=parameters, trust_env=False, timeout=30).raise_for_status()


_PROBLEMS = """() => {
  const wrong = [];
  const drawn = document.querySelectorAll("main > section").length;
  if (drawn !== PAGE.panels.length) wrong.push(`${drawn} panels of ${PAGE.panels.length} are drawn`);
  for (const section of document.querySelectorAll("main > section:not(.row)")) {
    const title = section.querySelector("h2, [class*=title]");
    const name = title?.textContent ?? "?";
    if (!title) wrong.push("a panel without a title");
    for (const each of section.querySelectorAll("h2, h2 *"))
      if (each.scrollWidth > each.clientWidth + 1 && each.clientWidth) wrong.push(`cut title: ${name}`);
    const text = section.textContent.replace(name, "");
    if (/NaN|undefined|\\[object/.test(text)) wrong.push(`no number: ${name}`);
    if (!text.trim() && !section.querySelector("canvas")) wrong.push(`nothing drawn: ${name}`);
  }
  return [...new Set(wrong)];
}"""


def empty(page: dict[str, Any]) -> Iterator[str]:
    """Yield the panels that no store has anything for: they are drawn, with the words that say so."""
    for panel in page["panels"]:
        answers = page["answers"][panel["key"]].values()
        has = any(answer.get(name) for answer in answers for name in ("result", "lines", "traces"))
        if panel.get("targets") and not has and not panel["may_be_empty"]:
            yield f"empty panel: {panel['title']}"


def draw(browser: Browser, script: Path, page: dict[str, Any], look: Look, picture: Path) -> list[str]:
    """Draw *page* into the file *picture*, and return its problems."""
    tab = browser.new_page(viewport={"width": look.width, "height": 1000})
    said: list[str] = []
    tab.on("pageerror", lambda error: said.append(f"error: {error}"))
    try:
        tab.goto((HERE / "page.html").as_uri())
        given = json.dumps({**page, "mode": look.mode, "width": look.width})
        tab.add_script_tag(content=f"window.PAGE = {given}")
        tab.add_style_tag(path=script.with_suffix(".css"))
        tab.add_script_tag(path=script)
        tab.wait_for_function("window.DRAWN", timeout=60_000)
        tab.screenshot(path=picture, full_page=True)
        return [*said, *empty(page), *tab.evaluate(_PROBLEMS)]
    finally:
        tab.close()
