import { el, pick } from "./dom.js";
import { get } from "./api.js";
import { clock, moment, t } from "./text.js";
import { fields, level } from "./trace.js";

const LEVELS = ["all", "info", "warn", "error"];

export const logs = {
  load: async ([least = "all", text = ""]) => {
    const chosen = LEVELS.includes(least) ? least : "all";
    return { ...(await get(`/api/logs?level=${chosen}&text=${encodeURIComponent(text)}`)), least: chosen, text };
  },
  draw: (data, app) => [
    el("div", { class: "head" }, el("h1", { tabindex: "-1" }, t("logs.title")), filters(data, app)),
    data.logs.length ? el("ol", { class: "logs" }, data.logs.map(line)) : el("p", { class: "empty" }, t("logs.none")),
  ],
  title: () => t("logs.title"),
};

function filters({ least, text }, app) {
  const go = (level, words) => app.go(`#/logs/${level}${words ? `/${encodeURIComponent(words)}` : ""}`);
  return el(
    "div",
    { class: "filters" },
    pick("level", t("logs.level"), LEVELS.map((each) => [each, t(`logs.level.${each}`)]), least, (chosen) => go(chosen, text)),
    el(
      "span",
      { class: "field" },
      el("label", { for: "text" }, t("logs.text")),
      el("input", { id: "text", type: "search", maxlength: "200", value: text, "data-key": "text", onchange: (event) => go(least, event.target.value) }),
    ),
  );
}

function line(log) {
  return el(
    "li",
    { class: `log ${log.level}`, id: `log-${log.id}` },
    el("time", { title: moment(log.time_s) }, clock(log.time_s, true)),
    level(log.level),
    el("span", { class: "text" }, log.text),
    log.traceId ? el("a", { class: "to-span", href: `#/trace/${log.traceId}/log/${log.id}`, "data-key": `trace-of-${log.id}` }, t("logs.trace")) : null,
    fields(log),
  );
}
