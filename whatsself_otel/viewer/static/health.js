import { el } from "./dom.js";
import { get } from "./api.js";
import { bytes, number, percent, t } from "./text.js";

export const health = {
  load: async () => ({ health: await get("/api/health") }),
  draw: ({ health: found }) => [
    el("h1", { tabindex: "-1" }, t("health.title")),
    el(
      "section",
      {},
      el("h2", {}, t("health.objectives")),
      el("p", { class: "note" }, t("health.objectives.window", { hours: number(found.window_s / 3600) })),
      el("ul", { class: "objectives" }, found.objectives.map(objective)),
    ),
    el("div", { class: "columns" }, ["masked", "dropped", "errors"].map((kind) => counters(kind, found.counters[kind]))),
    store(found),
  ],
  title: () => t("health.title"),
};

function objective(each) {
  return el(
    "li",
    { class: "objective" },
    el("span", { class: "objective-name" }, t(`health.objective.${each.name}`, { seconds: each.seconds })),
    el("span", { class: "objective-ratio" }, each.ratio === null ? "—" : percent(each.ratio, 2)),
    verdict(each),
    el("span", { class: "note" }, t("health.wanted", { objective: percent(each.objective), period: each.period }), each.total ? ` · ${t("health.events", { bad: number(each.bad), total: number(each.total) })}` : "", each.budget === null ? "" : ` · ${t("health.budget", { budget: percent(each.budget, 0) })}`),
  );
}

function verdict(each) {
  if (!each.total) return el("span", { class: "badge" }, t("health.none"));
  if (each.budget === null) return el("span", { class: "badge" }, t("health.few"));
  return each.budget >= 0
    ? el("span", { class: "badge good" }, `✓ ${t("health.met")}`)
    : el("span", { class: "badge bad" }, `✕ ${t("health.missed")}`);
}

function counters(kind, rows) {
  return el(
    "section",
    {},
    el("h2", {}, t(`health.${kind}`)),
    el("p", { class: "note" }, t(`health.${kind}.about`)),
    rows.length
      ? el(
          "table",
          { class: "counts" },
          el("thead", {}, el("tr", {}, el("th", { scope: "col" }, t("health.rule")), el("th", { scope: "col", class: "count" }, t("health.count")))),
          el("tbody", {}, rows.map((row) => el("tr", {}, el("th", { scope: "row" }, Object.values(row.labels).join(" · ") || "—"), el("td", { class: "count" }, number(row.value))))),
        )
      : el("p", { class: "empty" }, t(`health.${kind}.none`)),
  );
}

function store({ store: held, refused, rejected }) {
  if (!held) return null;
  const of = (used, limit) => t("health.store.size", { used, limit });
  const facts = [
    ["bytes", of(bytes(held.bytes), bytes(held.limit_bytes))],
    ["spans", of(number(held.spans), number(held.limit_spans))],
    ["logs", of(number(held.logs), number(held.limit_logs))],
    ["series", number(held.series)],
    ["age", held.limit_age_s >= 48 * 3600 ? t("health.store.days", { n: number(held.limit_age_s / 86400) }) : t("health.store.hours", { n: number(held.limit_age_s / 3600) })],
    ["index", held.no_index ?? t("health.store.index.there")],
    ["refused", listed(refused)],
    ["rejected", listed(rejected)],
  ];
  return el(
    "section",
    {},
    el("h2", {}, t("health.store")),
    el("p", { class: "note" }, t("health.store.masked")),
    el("dl", { class: "facts" }, facts.map(([name, value]) => el("div", { class: "fact" }, el("dt", {}, t(`health.store.${name}`)), el("dd", {}, value)))),
  );
}

function listed(counts) {
  return Object.entries(counts).map(([name, count]) => `${name}: ${number(count)}`).join(", ") || "0";
}
