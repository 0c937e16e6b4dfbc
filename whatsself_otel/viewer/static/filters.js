// Narrowing down: a bar of choices, and of what is chosen a mark that takes it back.

import { changed, compose, withField, withoutField } from "./address.js";
import { el, foldout, pick } from "./dom.js";
import { clock, day, duration, known, number, t } from "./text.js";

const RANGES_S = { "5m": 300, "15m": 900, "1h": 3600, "6h": 21600, "24h": 86400, "7d": 604800 };
const RANGES = ["all", ...Object.keys(RANGES_S)];
export const SORTS = ["newest", "oldest", "slowest", "errors"];
const OUTCOMES = ["read", "delivered", "sent", "failed", "unanswered"];
const DIRECTIONS = ["inbound", "outbound"];
export const FURTHER = "further-filters";
const LEAST_MS = [100, 1000, 10000, 60000];
const NAMED = ["outcome", "direction", "kind", "reason", "service", "route", "status", "session", "provider"];

export function range(asked, app) {
  const own = asked.params.get("from") || asked.params.get("to");
  const options = RANGES.map((each) => [each, t(`range.${each}`)]);
  if (own) options.push(["own", ownRange(asked.params)]);
  return pick("range", t("filter.range"), options, own ? "own" : asked.params.get("range") ?? "all", (chosen) =>
    chosen === "own" ? null : app.go(changed(asked, { range: chosen === "all" ? null : chosen, from: null, to: null })),
  );
}

function ownRange(params) {
  const end = (name) => (params.get(name) ? `${day(Number(params.get(name)))} ${clock(Number(params.get(name)))}` : "…");
  return `${end("from")} – ${end("to")}`;
}

export function search(asked, app, label) {
  return el(
    "span",
    { class: "field grow" },
    el("label", { for: "text" }, label),
    el("input", {
      id: "text",
      type: "search",
      maxlength: "200",
      value: asked.params.get("text") ?? "",
      "data-key": "text",
      onchange: (event) => app.go(changed(asked, { text: event.target.value.trim() })),
    }),
  );
}

export function one(asked, app, name, values, shown, usual = t("filter.any")) {
  const current = asked.params.get(name) ?? "";
  const all = current && !values.includes(current) ? [current, ...values] : values;
  const options = [["", usual], ...all.map((each) => [each, shown(each)])];
  return pick(`filter-${name}`, t(`filter.${name}`), options, current, (chosen) => app.go(changed(asked, { [name]: chosen })));
}

// *choices* is null until the further filters are open: then they are asked for.
export function messageFilters(asked, choices, app) {
  return el(
    "div",
    { class: "narrow" },
    el(
      "div",
      { class: "filters" },
      search(asked, app, t("filter.text")),
      range(asked, app),
      one(asked, app, "outcome", OUTCOMES, (each) => t(`outcome.${each}`)),
      one(asked, app, "sort", SORTS.slice(1), (each) => t(`sort.${each}`), t("sort.newest")),
    ),
    furtherFilters(FURTHER, () => further(asked, choices, app)),
    chosen(asked, app),
  );
}

function further(asked, choices, app) {
  if (!choices) app.refresh();
  const plain = (value) => value;
  const list = (name, shown = plain) => one(asked, app, name, choices?.[name] ?? [], shown);
  return [
    list("route"),
    list("service"),
    one(asked, app, "direction", DIRECTIONS, (each) => t(`direction.${each}`)),
    list("kind", (each) => known("kind", each)),
    list("reason", (each) => known("reason", each)),
    list("session"),
    list("provider"),
    list("status"),
    one(asked, app, "min_ms", LEAST_MS.map(String), (each) => t("filter.least", { s: Number(each) / 1000 })),
    moment(asked, app, "from"),
    moment(asked, app, "to"),
    field(asked, app),
  ];
}

// What few look for.
export function furtherFilters(name, make) {
  return foldout(name, "more", t("filter.more"), () => el("div", { class: "filters" }, make()));
}

export function moment(asked, app, name) {
  const seconds = Number(asked.params.get(name));
  const local = seconds ? new Date(seconds * 1000 - new Date(seconds * 1000).getTimezoneOffset() * 60000).toISOString().slice(0, 19) : "";
  const go = (event) => app.go(changed(asked, { [name]: event.target.value ? String(new Date(event.target.value).getTime() / 1000) : null, range: null }));
  return el("span", { class: "field" }, el("label", { for: name }, t(`filter.${name}`)), el("input", { id: name, type: "datetime-local", step: "1", value: local, "data-key": name, onchange: go }));
}

export function field(asked, app) {
  const go = (event) => (/^[^=]+=.+/.test(event.target.value) ? app.go(withField(asked, event.target.value.trim())) : null);
  return el("span", { class: "field" }, el("label", { for: "field" }, t("filter.field")), el("input", { id: "field", placeholder: "flowId=flow_1", maxlength: "200", "data-key": "field", onchange: go }));
}

export function chosen(asked, app) {
  const { params } = asked;
  const marks = [...NAMED, "min_ms", "max_ms", "text"].filter((name) => params.get(name)).map((name) => [`${t(`filter.${name}`)}: ${shown(name, params.get(name))}`, changed(asked, { [name]: null })]);
  if (params.get("from") || params.get("to")) {
    marks.push([ownRange(params), changed(asked, { from: null, to: null })]);
  }
  for (const each of params.getAll("field")) marks.push([each, withoutField(asked, each)]);
  if (!marks.length) return null;
  const cleared = new URLSearchParams(params.get("which") ? { which: params.get("which") } : {});
  return el(
    "p",
    { class: "chosen" },
    marks.map(([text, href]) => el("a", { class: "chip", href, "data-key": `chip-${text}`, "aria-label": t("filter.remove", { filter: text }) }, text, el("span", { "aria-hidden": "true" }, " ✕"))),
    el("a", { class: "clear", href: compose(asked.name, cleared, asked.rest), "data-key": "clear" }, t("filter.clear")),
  );
}

function shown(name, value) {
  if (name === "outcome") return t(`outcome.${value}`);
  if (name === "direction") return t(`direction.${value}`);
  if (name.endsWith("_ms")) return duration(Number(value));
  return name === "kind" || name === "reason" ? known(name, value) : value;
}

// Says that a list is cut, and gives more of it.
export function more(data, shownCount, asked) {
  if (!data.more) return null;
  if (data.limit >= data.most) return el("p", { class: "cut" }, `${t("list.most", { n: shownCount })} `, next(data, asked));
  const params = new URLSearchParams(asked.params);
  params.set("limit", Math.min(data.most, data.limit * 4));
  return el("p", { class: "cut" }, `${t("list.cut", { n: shownCount })} `, el("a", { href: compose(asked.name, params, asked.rest), "data-key": "more" }, t("list.more")));
}

// The way on from a list that is as long as it gets: the same question, from its last row on.
function next({ traces, logs }, asked) {
  const sort = asked.params.get("sort") || "newest";
  const last = traces ? traces.at(-1).start_s : logs.at(-1).time_s;
  if (sort === "newest") return el("a", { href: changed(asked, { to: String(last + 1e-6), ...begin(asked) }), "data-key": "next" }, t("list.older"));
  return sort === "oldest" ? el("a", { href: changed(asked, { from: String(last), range: null }), "data-key": "next" }, t("list.newer")) : null;
}

// A range that ends now, as the moment it begins at.
function begin({ params }) {
  const seconds = RANGES_S[params.get("range")];
  return { range: null, from: seconds ? String(Date.now() / 1000 - seconds) : params.get("from") };
}

// How far back the stores were looked through, and the way further.
export function looked({ looked: found, reach, most_reach: most }, asked) {
  if (!found) return null;
  const time = `${day(found.back_to_s)} ${clock(found.back_to_s)}`;
  const text = t("looked.back", { n: number(found.traces), time });
  if (found.is_full) return el("p", { class: "note looked" }, `${text} ${t("looked.full")}`);
  if (reach >= most) return el("p", { class: "note looked" }, `${text} ${t("looked.most")}`);
  const params = new URLSearchParams(asked.params);
  params.set("reach", Math.min(most, reach * 4));
  return el("p", { class: "note looked" }, `${text} `, el("a", { href: compose(asked.name, params, asked.rest), "data-key": "reach" }, t("looked.further")));
}
