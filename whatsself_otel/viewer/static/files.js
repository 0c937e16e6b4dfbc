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
  const note = el("span", { class: "note", role: "status" });
  const choose = async (event) => {
    const file = event.target.files[0];
    if (file) note.textContent = (await open(file, app)) ? t("file.opened") : t("file.wrong");
    event.target.value = ""; // the same file can be chosen again
  };
  return el("p", { class: "field opener" }, el("label", { for: "file" }, t("file.open")), el("input", { id: "file", type: "file", accept: ".json,application/json", onchange: choose }), note);
}

// Sends the file to the viewer's own receiver, and goes to its first trace; says whether it was taken.
async function open(file, app) {
  const text = await file.text();
  const signal = ["Spans", "Logs", "Metrics"].find((each) => text.includes(`"resource${each}"`));
  if (!signal) return false;
  const path = { Spans: "traces", Logs: "logs", Metrics: "metrics" }[signal];
  const answer = await fetch(`/v1/${path}`, { method: "POST", headers: { "content-type": "application/json" }, body: text });
  const traceId = /"traceId":\s*"([0-9a-fA-F]{32})"/.exec(text)?.[1];
  if (answer.ok && traceId && signal !== "Metrics") app.go(`#/trace/${traceId.toLowerCase()}`);
  return answer.ok;
}
