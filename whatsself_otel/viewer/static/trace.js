// One trace: its spans as a waterfall, its log lines in order of time, and ways from one to the other.

import { el, hidden, pairs, say, svg } from "./dom.js";
import { get } from "./api.js";
import { compose } from "./address.js";
import { clock, counted, duration, known, moment, t } from "./text.js";
import { share } from "./files.js";
import { fields, level } from "./lines.js";
import { sentence, state } from "./story.js";

const KINDS = ["http", "queue", "sql", "client", "internal"];
const opened = new Set();
const folded = new Set();
let wanted = "";

export const trace = {
  load: async ({ rest: [id] }) => ({ found: await get(`/api/traces/${encodeURIComponent(id)}`) }),
  draw: ({ found }, app) => {
    if (!found) return [el("h1", { tabindex: "-1" }, t("trace.title")), el("p", { class: "empty" }, t("trace.unknown"))];
    const [, kind, target] = app.route.rest;
    if (kind === "span") opened.add(target);
    const logs = found.logs_shown;
    return [heading(found), share(found.traceId), ids(found), waterfall(found, logs, app), lines(found, logs, target)];
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

// A contact's whole story, in order of time.
function contact(found) {
  const [id] = found.ids.contactId ?? [];
  if (!id) return null;
  const params = new URLSearchParams({ which: "all", field: `contactId=${id}`, sort: "oldest" });
  return el("a", { href: compose("messages", params), "data-key": "contact" }, t("trace.contact"));
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

function kindOf(span) {
  const names = Object.keys(span.attributes).join(" ");
  if (/\bdb\./.test(names)) return "sql";
  if (span.kind === "producer" || span.kind === "consumer" || /\bmessaging\./.test(names)) return "queue";
  if (span.kind === "server") return "http";
  return span.kind === "client" ? "client" : "internal";
}

function waterfall(found, logs, app) {
  const spans = found.spans_shown;
  if (!spans.length) return el("section", {}, el("h2", {}, t("trace.waterfall")), el("p", { class: "empty" }, t("trace.spans.none")));
  const start = Math.min(...spans.map((span) => span.start_ms));
  const length = Math.max(...spans.map((span) => span.start_ms + Math.max(0, span.took_ms))) - start || 1;
  const known = new Set(spans.map((span) => span.spanId));
  const children = group(spans, known);
  const context = { found, start, length, children, logs: byKey(logs, (log) => log.spanId), known, drawn: new Set(), app };
  return el(
    "section",
    { "aria-labelledby": "waterfall" },
    el("div", { class: "subhead" }, el("h2", { id: "waterfall" }, t("trace.waterfall")), finder(spans, app), legend(spans)),
    el("p", { class: "note" }, t("trace.keys"), spans.length < found.spans ? ` ${t("trace.cut", { shown: spans.length, all: found.spans })}` : ""),
    el("div", { class: "falls" }, axis(length), branch(null, 0, context)),
  );
}

// Marks the spans that have what is typed in their name or in an attribute.
function finder(spans, app) {
  const count = wanted ? spans.filter(isWanted).length : 0;
  const find = (event) => {
    wanted = event.target.value;
    app.redraw();
  };
  return el(
    "span",
    { class: "field" },
    el("label", { for: "find-span" }, t("trace.find")),
    el("input", { id: "find-span", type: "search", maxlength: "100", value: wanted, "data-key": "find-span", oninput: find }),
    wanted ? el("span", { role: "status" }, counted("trace.find.hits", count)) : null,
  );
}

function isWanted(span) {
  const text = [span.title, span.name, span.status, ...Object.entries(span.attributes).map(([name, value]) => `${name}=${value}`)].join("\n");
  return text.toLowerCase().includes(wanted.toLowerCase());
}

function group(spans, known) {
  return byKey(spans, (span) => (known.has(span.parentSpanId) ? span.parentSpanId : null));
}

function byKey(items, keyOf) {
  const groups = new Map();
  for (const item of items) {
    const key = keyOf(item);
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(item);
  }
  return groups;
}

function legend(spans) {
  const there = new Set(spans.map(kindOf));
  return el(
    "ul",
    { class: "legend", "aria-label": t("trace.legend") },
    KINDS.filter((kind) => there.has(kind)).map((kind) => el("li", { class: `kind ${kind}` }, t(`trace.kind.${kind}`))),
  );
}

function axis(length) {
  return el(
    "div",
    { class: "axis", "aria-hidden": "true" },
    el("div", { class: "ticks" }, [0, 0.25, 0.5, 0.75, 1].map((share) => el("span", { "--at": share }, share ? duration(length * share) : "0"))),
  );
}

function branch(parent, depth, context) {
  const spans = (context.children.get(parent) ?? []).filter((span) => !context.drawn.has(span.spanId));
  if (!spans.length) return null;
  return el("ul", { class: "spans" }, spans.map((span) => {
    context.drawn.add(span.spanId);
    return el("li", {}, row(span, depth, context), folded.has(span.spanId) ? null : branch(span.spanId, depth + 1, context));
  }));
}

function row(span, depth, context) {
  const kind = kindOf(span);
  const logs = context.logs.get(span.spanId) ?? [];
  const isOpen = opened.has(span.spanId);
  const after = duration(span.start_ms - context.start);
  const took = duration(span.took_ms);
  const panel = `details-${span.spanId}`;
  const isOrphan = span.parentSpanId && !context.known.has(span.parentSpanId);
  const button = el(
    "button",
    {
      type: "button",
      class: "span-name",
      "aria-expanded": isOpen ? "true" : "false",
      "aria-controls": isOpen ? panel : null,
      "data-key": `span-${span.spanId}`,
      onclick: () => toggle(span.spanId, context.app),
      onkeydown: (event) => walk(event, span.spanId, context.app),
    },
    el("span", { class: `kind ${kind}` }, t(`trace.kind.${kind}`)),
    el("span", { class: "title" }, span.title),
    span.isError ? el("span", { class: "badge bad" }, el("span", { "aria-hidden": "true" }, "✕ "), t("trace.span.failed")) : null,
    folded.has(span.spanId) ? el("span", { class: "badge" }, counted("trace.folded", below(span.spanId, context.children))) : null,
    isOrphan ? el("span", { class: "note" }, ` (${t("trace.orphan")})`) : null,
    hidden(` ${t("trace.span.position", { start: after, took })}`),
  );
  const left = (span.start_ms - context.start) / context.length;
  const width = Math.max(0, span.took_ms) / context.length;
  return el(
    "div",
    { class: `span${isOpen ? " open" : ""}${wanted ? (isWanted(span) ? " hit" : " dim") : ""}`, "--depth": Math.min(depth, 12), id: `span-${span.spanId}` },
    el("div", { class: "label" }, button, logs.length ? logLink(span, logs, context) : null),
    el(
      "div",
      { class: "lane", "aria-hidden": "true", "--left": left, "--width": width },
      el("span", { class: `fall ${kind}${span.isError ? " failed" : ""}` }),
      el("span", { class: `length ${place(left, width)}` }, took),
    ),
    isOpen ? details(span, panel) : null,
  );
}

function place(left, width) {
  if (left + width <= 0.78) return "after";
  return left >= 0.22 ? "before" : "inside";
}

function logLink(span, logs, context) {
  const text = counted("trace.span.logs", logs.length);
  return el(
    "a",
    {
      class: "to-logs",
      href: `#/trace/${context.found.traceId}/log/${logs[0].id}`,
      "aria-label": t("trace.span.logs.of", { logs: text, span: span.title }),
      "data-key": `logs-${span.spanId}`,
    },
    text,
  );
}

function toggle(spanId, app) {
  if (!opened.delete(spanId)) opened.add(spanId);
  app.redraw();
}

function below(spanId, children) {
  return (children.get(spanId) ?? []).reduce((sum, child) => sum + 1 + below(child.spanId, children), 0);
}

// Up and down go through the spans; left folds what is below one, right unfolds it.
function walk(event, spanId, app) {
  if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
    if (event.key === "ArrowLeft") folded.add(spanId);
    else folded.delete(spanId);
    event.preventDefault();
    app.redraw();
    return;
  }
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step) return;
  const all = [...document.querySelectorAll(".span-name")];
  all[all.indexOf(event.currentTarget) + step]?.focus();
  event.preventDefault();
}

function details(span, panel) {
  const first = Math.min(...span.events.map((event) => event.ms));
  return el(
    "div",
    { class: "details", id: panel },
    span.status ? el("p", { class: "failure" }, `${t("trace.span.status")}: ${span.status}`) : null,
    part(t("trace.span.attributes"), span.attributes, same),
    span.events.length
      ? [el("h3", {}, t("trace.span.events")), span.events.map((event) => el("div", { class: "event" }, el("strong", {}, event.name), ` +${duration(event.ms - first)}`, pairs(event.attributes)))]
      : null,
    span.links.length
      ? [el("h3", {}, t("trace.span.links")), span.links.map((link) => el("p", {}, el("a", { href: `#/trace/${link.traceId}/span/${link.spanId}` }, t("metrics.trace", { id: link.traceId }))))]
      : null,
    part(t("trace.span.resource"), span.resource),
  );
}

function part(name, values, href = null) {
  return Object.keys(values).length ? [el("h3", {}, name), pairs(values, href)] : null;
}

function same(name, value) {
  return compose("messages", new URLSearchParams({ which: "all", field: `${name === "http.route" ? "route" : name}=${value}` }));
}

function lines(found, logs) {
  const titles = new Map(found.spans_shown.map((span) => [span.spanId, span.title]));
  return el(
    "section",
    { "aria-labelledby": "loglines" },
    el("h2", { id: "loglines" }, t("trace.logs")),
    logs.length ? el("ol", { class: "logs" }, logs.map((log) => line(log, found.traceId, titles))) : el("p", { class: "empty" }, t("trace.logs.none")),
  );
}

function line(log, traceId, titles) {
  const title = titles.get(log.spanId);
  return el(
    "li",
    { class: `log ${log.level}`, id: `log-${log.id}`, tabindex: "-1", "data-key": `log-${log.id}` },
    el("time", {}, clock(log.time_s, true)),
    level(log.level),
    el("span", { class: "text" }, log.text),
    title ? el("a", { class: "to-span", href: `#/trace/${traceId}/span/${log.spanId}`, "data-key": `to-span-${log.id}` }, t("trace.log.span", { span: title })) : null,
    fields(log),
  );
}
