// The spans of a trace over time: each opens, folds what is below it, and can be zoomed to.

import { compose } from "./address.js";
import { el, hidden, pairs } from "./dom.js";
import { counted, duration, t } from "./text.js";
import { part as shownPart, zoomBar, zoomToSpan } from "./zoom.js";

const KINDS = ["http", "queue", "sql", "client", "internal"];
const opened = new Set();
const folded = new Set();
let wanted = "";

export function openSpan(spanId) {
  opened.add(spanId);
}

function kindOf(span) {
  const names = Object.keys(span.attributes).join(" ");
  if (/\bdb\./.test(names)) return "sql";
  if (span.kind === "producer" || span.kind === "consumer" || /\bmessaging\./.test(names)) return "queue";
  if (span.kind === "server") return "http";
  return span.kind === "client" ? "client" : "internal";
}

export function waterfall(found, logs, app) {
  const spans = found.spans_shown;
  if (!spans.length) return el("section", {}, el("h2", {}, t("trace.waterfall")), el("p", { class: "empty" }, t("trace.spans.none")));
  const start = Math.min(...spans.map((span) => span.start_ms));
  const length = Math.max(...spans.map((span) => span.start_ms + Math.max(0, span.took_ms))) - start || 1;
  const known = new Set(spans.map((span) => span.spanId));
  const children = group(spans, known);
  const shown = shownPart(app.route.params, length);
  const context = { found, start, length, shown, children, kindOf, logs: byKey(logs, (log) => log.spanId), known, drawn: new Set(), app };
  return el(
    "section",
    { "aria-labelledby": "waterfall" },
    el("div", { class: "subhead" }, el("h2", { id: "waterfall" }, t("trace.waterfall")), finder(spans, app), legend(spans)),
    el("p", { class: "note" }, t("trace.keys"), spans.length < found.spans ? ` ${t("trace.cut", { shown: spans.length, all: found.spans })}` : ""),
    spans.length > 1 ? zoomBar(spans, context) : null,
    el("div", { class: "falls" }, axis(shown), branch(null, 0, context)),
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

function axis({ from, to }) {
  const at = (share) => from + (to - from) * share;
  return el(
    "div",
    { class: "axis", "aria-hidden": "true" },
    el("div", { class: "ticks" }, [0, 0.25, 0.5, 0.75, 1].map((share) => el("span", { "--at": share }, at(share) ? duration(at(share)) : "0"))),
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
      onkeydown: (event) => walk(event, span, context),
    },
    el("span", { class: `kind ${kind}` }, t(`trace.kind.${kind}`)),
    el("span", { class: "title" }, span.title),
    span.isError ? el("span", { class: "badge bad" }, el("span", { "aria-hidden": "true" }, "✕ "), t("trace.span.failed")) : null,
    folded.has(span.spanId) ? el("span", { class: "badge" }, counted("trace.folded", below(span.spanId, context.children))) : null,
    isOrphan ? el("span", { class: "note" }, ` (${t("trace.orphan")})`) : null,
    hidden(` ${t("trace.span.position", { start: after, took })}`),
  );
  return el(
    "div",
    { class: `span${isOpen ? " open" : ""}${wanted ? (isWanted(span) ? " hit" : " dim") : ""}`, "--depth": Math.min(depth, 12), id: `span-${span.spanId}` },
    el("div", { class: "label" }, button, logs.length ? logLink(span, logs, context) : null),
    lane(span, kind, took, context),
    isOpen ? details(span, panel, context) : null,
  );
}

// Its bar over time, cut where the part that is shown ends; an arrow where it lies beyond.
function lane(span, kind, took, { start, shown }) {
  const share = (ms) => (ms - start - shown.from) / (shown.to - shown.from);
  const [begin, end] = [share(span.start_ms), share(span.start_ms + Math.max(0, span.took_ms))];
  const [left, right] = [Math.max(0, begin), Math.min(1, end)];
  const bar = end < 0 || begin > 1 ? el("span", { class: end < 0 ? "beyond" : "beyond later" }, end < 0 ? "◂" : "▸") : el("span", { class: `fall ${kind}${span.isError ? " failed" : ""}` });
  return [
    el("div", { class: "lane", "aria-hidden": "true", "--left": left, "--width": right - left }, bar),
    el("span", { class: "length", "aria-hidden": "true" }, took),
  ];
}

function logLink(span, logs, context) {
  const text = counted("trace.span.logs", logs.length);
  return el(
    "a",
    {
      class: "to-logs",
      href: compose("trace", context.app.route.params, [context.found.traceId, "log", String(logs[0].id)]),
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

// Up and down go through the spans; left folds what is below one, right unfolds it; z zooms to it and back.
function walk(event, span, context) {
  const { app } = context;
  const { spanId } = span;
  if (event.key === "z" && !event.ctrlKey && !event.metaKey && !event.altKey) return zoomToSpan(app, span, context);
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

function details(span, panel, context) {
  const first = Math.min(...span.events.map((event) => event.ms));
  return el(
    "div",
    { class: "details", id: panel },
    span.status ? el("p", { class: "failure" }, `${t("trace.span.status")}: ${span.status}`) : null,
    el("p", {}, el("button", { type: "button", class: "quiet", "data-key": `zoom-${span.spanId}`, onclick: () => zoomToSpan(context.app, span, context) }, t("zoom.span"))),
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
