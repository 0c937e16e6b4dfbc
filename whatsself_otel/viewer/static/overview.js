// The page to leave open: what is up, what moves, what fails.

import { compose } from "./address.js";
import { el } from "./dom.js";
import { get } from "./api.js";
import { histogram } from "./histogram.js";
import { clock, day, duration, isToday, known, number, percent, t } from "./text.js";

const DOWN = ["disconnected", "logged_out", "expired", "restricted", "banned"];

export const overview = {
  load: async () => ({ found: await get("/api/overview") }),
  draw: ({ found }, app) => [
    el("h1", { tabindex: "-1" }, t("overview.title")),
    firing(found.firing),
    el("ul", { class: "tiles" }, sessions(found.sessions), ...tiles(found).map(tile)),
    found.traffic.total ? histogram(found.traffic, (from, to) => app.go(compose("messages", new URLSearchParams({ from, to })))) : el("div", { class: "empty" }, el("p", {}, t("overview.quiet")), app.state.version > 0 ? null : app.connect()),
    el("div", { class: "columns" }, failures(found.groups), objectives(found.objectives)),
  ],
  title: () => t("overview.title"),
};

function firing(alerts) {
  if (!alerts) return null;
  if (!alerts.length) return el("p", { class: "calm" }, el("span", { class: "badge good" }, "✓"), ` ${t("overview.firing.none")}`);
  return el(
    "section",
    { class: "firing", "aria-labelledby": "firing" },
    el("h2", { id: "firing" }, t("overview.firing")),
    el("ul", {}, alerts.map((alert) => el("li", {}, el("span", { class: "badge bad" }, `✕ ${alert.severity}`), el("strong", {}, ` ${alert.name} `), alert.session, el("span", { class: "note" }, ` ${t("overview.since", { time: moment(alert.since_s) })}`)))),
  );
}

function sessions(found) {
  const isDown = found.some((each) => DOWN.includes(each.state));
  return el(
    "li",
    { class: `tile sessions${isDown ? " bad" : ""}` },
    el("span", { class: "tile-name" }, t("overview.sessions")),
    found.length
      ? found.slice(0, 6).map((each) => el("span", { class: "session" }, el("span", { class: `badge ${each.state === "connected" ? "good" : DOWN.includes(each.state) ? "bad" : "warn"}` }, known("session", each.state)), el("span", {}, each.session)))
      : el("span", { class: "tile-value" }, "—"),
    found.length > 6 ? el("span", { class: "note" }, t("metrics.more", { n: found.length - 6 })) : null,
  );
}

function tiles(found) {
  const failed = compose("messages", new URLSearchParams({ outcome: "failed", range: "1h" }));
  const dash = (value, shown) => (value === null ? "—" : shown(value));
  return [
    ["queue", dash(found.queue, number), found.oldest_s ? t("overview.oldest", { time: duration(found.oldest_s * 1000) }) : ""],
    ["inbound", number(found.inbound), t("overview.hour"), "#/messages?range=1h"],
    ["sent", number(found.sent), t("overview.hour")],
    ["failed", dash(found.failure_rate, percent), t("overview.failed.of", { failed: number(found.failed), sent: number(found.sent) }), failed, found.failed > 0],
    ["p95", dash(found.first_response_p95_s, (value) => duration(value * 1000)), t("overview.hour")],
  ];
}

function tile([name, value, about, href, isBad]) {
  const label = t(`overview.${name}`);
  return el(
    "li",
    { class: `tile${isBad ? " bad" : ""}` },
    href ? el("a", { class: "tile-name", href, "data-key": `tile-${name}` }, label) : el("span", { class: "tile-name" }, label),
    el("span", { class: "tile-value" }, value),
    el("span", { class: "note" }, about),
  );
}

function failures({ reasons, lines }) {
  const messages = (each) => compose("messages", new URLSearchParams({ outcome: "failed", range: "24h", ...(each.name ? { reason: each.name } : {}) }));
  const logs = (each) => compose("logs", new URLSearchParams({ level: "error", range: "24h", text: each.search }));
  return el(
    "section",
    { "aria-labelledby": "failures" },
    el("h2", { id: "failures" }, t("overview.failures")),
    reasons.length || lines.length ? null : el("p", { class: "empty" }, t("overview.failures.none")),
    group(reasons, (each) => (each.name ? known("reason", each.name) : t("overview.reason.unknown")), messages, "reason"),
    lines.length ? el("h3", {}, t("overview.lines")) : null,
    group(lines, (each) => each.name, logs, "line"),
  );
}

function group(rows, named, href, kind) {
  if (!rows.length) return null;
  return el(
    "ul",
    { class: "groups" },
    rows.map((each) => el("li", {}, el("span", { class: "count" }, number(each.count)), el("a", { class: "row", href: href(each), "data-key": `group-${kind}-${each.name}` }, named(each)), el("span", { class: "note" }, t("overview.between", { first: moment(each.first_s), last: moment(each.last_s) })))),
  );
}

function objectives(found) {
  const state = (each) => (!each.total ? ["", t("health.none")] : each.budget === null ? ["", t("health.few")] : each.budget >= 0 ? ["good", `✓ ${t("health.met")}`] : ["bad", `✕ ${t("health.missed")}`]);
  return el(
    "section",
    { "aria-labelledby": "slos" },
    el("h2", { id: "slos" }, t("health.objectives")),
    el("ul", { class: "groups" }, found.map((each) => [each, ...state(each)]).map(([each, style, text]) => el("li", {}, el("span", { class: "count" }, each.ratio === null ? "—" : percent(each.ratio, 1)), el("span", {}, t(`health.objective.${each.name}`, { seconds: each.seconds })), el("span", { class: `badge ${style}` }, text)))),
    el("p", { class: "note" }, el("a", { href: "#/health", "data-key": "to-health" }, t("overview.more"))),
  );
}

function moment(seconds) {
  return isToday(seconds) ? clock(seconds) : `${day(seconds)} ${clock(seconds)}`;
}
