// A trace in and out: its address, and OTLP's JSON as a file.

import { el, say } from "./dom.js";
import { t } from "./text.js";

export function share(traceId) {
  const copy = async (event) => {
    await navigator.clipboard.writeText(location.href);
    event.target.textContent = t("app.copied");
    say(t("app.copied"));
  };
  return el(
    "p",
    { class: "share" },
    el("button", { type: "button", class: "quiet", "data-key": "copy-link", onclick: copy }, t("file.link")),
    el("a", { href: `/api/traces/${traceId}/traces.json`, download: true, "data-key": "download-traces" }, t("file.traces")),
    el("a", { href: `/api/traces/${traceId}/logs.json`, download: true, "data-key": "download-logs" }, t("file.logs")),
  );
}

export function opener(app) {
  const choose = async (event) => {
    const file = event.target.files[0];
    if (file) await open(file, app);
  };
  return el("p", { class: "field" }, el("label", { for: "file" }, t("file.open")), el("input", { id: "file", type: "file", accept: ".json,application/json", onchange: choose }));
}

async function open(file, app) {
  const text = await file.text();
  const signal = text.includes('"resourceSpans"') ? "traces" : "logs";
  const answer = await fetch(`/v1/${signal}`, { method: "POST", headers: { "content-type": "application/json" }, body: text });
  if (!answer.ok) return say(t("file.wrong"));
  const traceId = /"traceId":\s*"([0-9a-fA-F]{32})"/.exec(text)?.[1];
  if (traceId) app.go(`#/trace/${traceId.toLowerCase()}`);
  return say(t("file.opened"));
}
