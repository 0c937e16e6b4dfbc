// One trace: its spans as a waterfall, its log lines in order of time, and ways from one to the other.

import { compose } from "./address.js";
import { get } from "./api.js";
import { el, say, svg } from "./dom.js";
import { share } from "./files.js";
import { fields, level } from "./lines.js";
import { sentence, state } from "./story.js";
import { clock, duration, known, moment, t } from "./text.js";
import { openSpan, waterfall } from "./waterfall.js";

export const trace = {
  load: async ({ rest: [id] }) => ({ found: await get(`/api/traces/${encodeURIComponent(id)}`) }),
  draw: ({ found }, app) => {
    if (!found) return [el("h1", { tabindex: "-1" }, t("trace.title")), el("p", { class: "empty" }, t("trace.unknown"))];
    const [, kind, target] = app.route.rest;
    if (kind === "span") openSpan(target);
    const logs = found.logs_shown;
    return [heading(found), share(found.traceId), ids(found), waterfall(found, logs, app), lines(found, logs, app)];
  },
  target: ([, kind, target]) => (kind && target ? `${kind}-${target}` : null),
  title: ({ found }) => (found ? sentence(found) : t("trace.title")),
};

function heading(found) {
  const text = sentence(found);
  return el(
    "div",
    { class: "head" },
    el("div", {}, el("a", { class: "back", href: "#/messages" }, `← ${t("trace.back")}`), el("h1", { tabindex: "-1" }, text), text === found.name ? null : el("p", { class: "note" }, found.name)),
    el("div", { class: "outcome" }, state(found), alike(found), contact(found)),
  );
}

// The way to whatever failed for the same reason.
function alike(found) {
  if (found.outcome !== "failed" || !found.reason) return null;
  const params = new URLSearchParams({ outcome: "failed", reason: found.reason });
  return el("a", { href: compose("messages", params), "data-key": "alike" }, t("trace.alike", { reason: known("reason", found.reason) }));
}

// A contact's whole story, day by day.
function contact(found) {
  const [id] = found.ids.contactId ?? [];
  return id ? el("a", { href: compose("contact", new URLSearchParams(), [id]), "data-key": "contact" }, t("trace.contact")) : null;
}

function ids(found) {
  const facts = [
    [t("trace.began"), [moment(found.start_s)]],
    [t("trace.took"), [duration(found.took_ms)]],
    [t("trace.service"), [found.service]],
  ];
  const names = ["requestId", "contactId", "messageId"];
  return el(
    "dl",
    { class: "facts" },
    [...names.filter((name) => found.ids[name]).map((name) => [name, found.ids[name], true]), [t("trace.id"), [found.traceId], true]].map(fact),
    facts.filter(([, values]) => values[0]).map(fact),
  );
}

function fact([name, values, isId]) {
  return el(
    "div",
    { class: isId ? "fact long" : "fact" },
    el("dt", {}, name),
    values.map((value) => el("dd", {}, isId ? el("code", {}, value) : value, isId ? copy(value) : null)),
  );
}

function copy(value) {
  const press = async () => {
    await navigator.clipboard.writeText(value);
    button.classList.add("done");
    say(t("app.copied"));
  };
  const sheets = svg("svg", { viewBox: "0 0 16 16", "aria-hidden": "true" }, svg("path", { d: "M5.5 5.5v-3h8v8h-3M2.5 5.5h8v8h-8z" }));
  const button = el(
    "button",
    { type: "button", class: "copy", "aria-label": `${t("app.copy")} ${value}`, title: t("app.copy"), "data-key": `copy-${value}`, onclick: press },
    sheets,
  );
  return button;
}

function lines(found, logs, app) {
  const titles = new Map(found.spans_shown.map((span) => [span.spanId, span.title]));
  return el(
    "section",
    { "aria-labelledby": "loglines" },
    el("h2", { id: "loglines" }, t("trace.logs")),
    logs.length ? el("ol", { class: "logs" }, logs.map((log) => line(log, found.traceId, titles, app))) : el("p", { class: "empty" }, t("trace.logs.none")),
  );
}

function line(log, traceId, titles, app) {
  const title = titles.get(log.spanId);
  return el(
    "li",
    { class: `log ${log.level}`, id: `log-${log.id}`, tabindex: "-1", "data-key": `log-${log.id}` },
    el("time", {}, clock(log.time_s, true)),
    level(log.level),
    el("span", { class: "text" }, log.text),
    title ? el("a", { class: "to-span", href: compose("trace", app.route.params, [traceId, "span", log.spanId]), "data-key": `to-span-${log.id}` }, t("trace.log.span", { span: title })) : null,
    fields(log),
  );
}
