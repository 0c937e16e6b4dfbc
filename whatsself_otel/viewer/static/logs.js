import { changed, withField } from "./address.js";
import { el, pick } from "./dom.js";
import { get } from "./api.js";
import { chosen, field, furtherFilters, more, moment as bound, one, range, search } from "./filters.js";
import { clock, day, isToday, moment, t } from "./text.js";
import { fields, level } from "./lines.js";

const LEVELS = ["all", "info", "warn", "error"];

export const logs = {
  load: async ({ params }) => {
    const [found, choices] = await Promise.all([get(`/api/logs?${params}`), get("/api/choices")]);
    return { ...found, choices };
  },
  draw: (data, app) => [
    el("div", { class: "head" }, el("h1", { tabindex: "-1" }, t("logs.title"))),
    filters(data, app.route, app),
    data.logs.length ? el("ol", { class: "logs" }, data.logs.map((log) => line(log, app.route))) : el("p", { class: "empty" }, t("logs.none")),
    more(data, data.logs.length, app.route),
  ],
  title: () => t("logs.title"),
};

function filters(data, asked, app) {
  const least = asked.params.get("level") ?? "all";
  return el(
    "div",
    { class: "narrow" },
    el(
      "div",
      { class: "filters" },
      search(asked, app, t("logs.text")),
      range(asked, app),
      pick("level", t("logs.level"), LEVELS.map((each) => [each, t(`logs.level.${each}`)]), least, (value) => app.go(changed(asked, { level: value === "all" ? null : value }))),
      one(asked, app, "service", data.choices.service ?? [], (each) => each),
    ),
    furtherFilters("further-filters-of-logs", () => [bound(asked, app, "from"), bound(asked, app, "to"), field(asked, app)]),
    chosen(asked, app),
  );
}

function line(log, asked) {
  const when = isToday(log.time_s) ? clock(log.time_s, true) : `${day(log.time_s)} ${clock(log.time_s)}`;
  return el(
    "li",
    { class: `log ${log.level}`, id: `log-${log.id}` },
    el("time", { title: moment(log.time_s) }, when),
    level(log.level),
    el("span", { class: "text" }, log.text),
    log.traceId ? el("a", { class: "to-span row", href: `#/trace/${log.traceId}/log/${log.id}`, "data-key": `trace-of-${log.id}` }, t("logs.trace")) : null,
    fields(log, (name, value) => withField(asked, `${name}=${value}`)),
  );
}
