import { el } from "./dom.js";
import { get } from "./api.js";
import { changed, compose } from "./address.js";
import { messageFilters, more, said } from "./filters.js";
import { durations, histogram } from "./histogram.js";
import { sentence, state } from "./story.js";
import { pick } from "./dom.js";
import { clock, day, duration, isToday, moment, t } from "./text.js";

const WHICH = ["messages", "errors", "all"];

export const messages = {
  load: async (asked) => {
    const query = asked.params.toString();
    const [found, traffic, choices] = await Promise.all([get(`/api/traces?${query}`), get(`/api/traffic?${query}`), get("/api/choices")]);
    return { ...found, traffic, choices };
  },
  draw: (data, app) => {
    const asked = app.route;
    const which = WHICH.includes(asked.params.get("which")) ? asked.params.get("which") : WHICH[0];
    const go = (from, to) => app.go(changed(asked, { from: String(from), to: String(to), range: null }));
    return [
      el(
        "div",
        { class: "head" },
        el("h1", { tabindex: "-1" }, t("messages.title")),
        pick("which", t("messages.which"), WHICH.map((each) => [each, t(`messages.which.${each}`)]), which, (chosen) => app.go(changed(asked, { which: chosen }))),
      ),
      messageFilters(asked, data.choices, app),
      histogram(data.traffic, go),
      durations(data.traffic, (from, to) => changed(asked, { min_ms: String(from), max_ms: to === null ? null : String(to) })),
      ...said(data),
      data.traces.length ? table(data.traces) : nothing(asked, which, app),
      more(data, data.traces.length, asked),
    ];
  },
  title: () => t("messages.title"),
};

export const found = {
  load: async ({ rest: [id] }) => {
    const exact = await get(`/api/find?id=${encodeURIComponent(id)}`);
    if (exact.traces.length) return { ...exact, id };
    return { ...(await get(`/api/traces?which=all&text=${encodeURIComponent(id)}`)), id, isPart: true };
  },
  draw: (data, app) => {
    const { traces, id } = data;
    if (traces.length === 1) return app.replace(`#/trace/${traces[0].traceId}`);
    const params = new URLSearchParams({ which: "all", text: id });
    return [
      el("div", { class: "head" }, el("h1", { tabindex: "-1" }, t("search.title", { id })), data.isPart && traces.length ? el("a", { href: compose("messages", params), "data-key": "narrow" }, t("search.narrow")) : null),
      traces.length ? table(traces) : el("p", { class: "empty" }, t("search.none", { id })),
      data.more ? el("p", { class: "cut" }, t("list.cut", { n: traces.length })) : null,
    ];
  },
  title: ({ id }) => t("search.title", { id }),
};

function nothing(asked, which, app) {
  const isNarrow = [...asked.params.keys()].some((name) => !["which", "sort", "limit"].includes(name));
  if (isNarrow) return el("p", { class: "empty" }, t("messages.none.narrow"));
  return el(
    "div",
    { class: "empty" },
    el("p", {}, t("messages.none")),
    which === "messages" && app.state.version > 0 ? el("p", {}, t("messages.others")) : null,
    app.connect(),
  );
}

export function table(traces) {
  const columns = ["when", "what", "took", "state"];
  return el(
    "table",
    { class: "list" },
    el("thead", {}, el("tr", {}, columns.map((name) => el("th", { scope: "col", class: name }, t(`messages.${name}`))))),
    el("tbody", {}, traces.map(row)),
  );
}

function row(trace) {
  const key = `trace-${trace.traceId}`;
  const when = isToday(trace.start_s) ? clock(trace.start_s) : `${day(trace.start_s)} ${clock(trace.start_s)}`;
  return el(
    "tr",
    {},
    el("td", { class: "when" }, el("time", { title: moment(trace.start_s) }, when)),
    el(
      "td",
      { class: "what" },
      el("a", { href: `#/trace/${trace.traceId}`, "data-key": key, class: "row" }, sentence(trace)),
      el("span", { class: "ids" }, trace.outcome && trace.name ? el("span", { class: "id-name" }, trace.name) : null, shownIds(trace).map((name) => id(name, trace[name]))),
    ),
    el("td", { class: "took" }, duration(trace.took_ms)),
    el("td", { class: "state" }, state(trace)),
  );
}

function shownIds(trace) {
  return trace.contactId || trace.messageId ? ["contactId", "messageId"] : ["requestId"];
}

function id(name, value) {
  return value ? el("span", { class: "id" }, el("span", { class: "id-name" }, `${name} `), value) : null;
}
