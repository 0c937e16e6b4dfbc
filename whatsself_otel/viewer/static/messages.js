import { el, isUnfolded, pick } from "./dom.js";
import { get } from "./api.js";
import { changed, compose } from "./address.js";
import { FURTHER, looked, messageFilters, more } from "./filters.js";
import { durations, histogram } from "./histogram.js";
import { sentence, state } from "./story.js";
import { clock, counted, dayInWords, duration, isToday, moment, sameDay, day as shortDay, t } from "./text.js";

export const WHICH = ["messages", "errors", "all"];

export const messages = {
  load: async (asked) => {
    const query = asked.params.toString();
    const choosing = isUnfolded(FURTHER) ? get("/api/choices") : null;
    const [found, traffic, choices] = await Promise.all([get(`/api/traces?${query}`), get(`/api/traffic?${query}`), choosing]);
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
      looked(data, asked),
      data.traces.length ? table(data.traces, { byDay: isOverDays(data.traces, asked), isCut: data.more }) : nothing(asked, which, app),
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

// In order of time, over more than one day.
function isOverDays(traces, { params }) {
  const isByTime = ["newest", "oldest"].includes(params.get("sort") || "newest");
  return isByTime && !sameDay(traces[0].start_s, traces.at(-1).start_s);
}

// What happened, row by row; in order of time each day has a heading.
export function table(traces, { byDay = false, isCut = false } = {}) {
  const columns = ["when", "what", "took", "state"];
  return el(
    "table",
    { class: "list" },
    el("thead", {}, el("tr", {}, columns.map((name) => el("th", { scope: "col", class: name }, t(`messages.${name}`))))),
    byDay ? days(traces).map((each, index, all) => day(each, isCut && index === all.length - 1)) : el("tbody", {}, traces.map((trace) => row(trace))),
  );
}

function days(traces) {
  const found = [];
  for (const trace of traces) {
    if (found.length && sameDay(found.at(-1)[0].start_s, trace.start_s)) found.at(-1).push(trace);
    else found.push([trace]);
  }
  return found;
}

function day(traces, isCut) {
  const failed = traces.filter((each) => each.outcome === "failed").length;
  const counts = [isCut ? counted("days.shown", traces.length) : counted("traffic.total", traces.length), failed ? counted("traffic.failed", failed) : null];
  return el(
    "tbody",
    {},
    el("tr", { class: "day" }, el("th", { colspan: "4", scope: "rowgroup" }, dayInWords(traces[0].start_s), el("span", { class: "note" }, counts.filter(Boolean).join(", ")))),
    traces.map((trace) => row(trace, true)),
  );
}

function row(trace, hasDay = false) {
  const key = `trace-${trace.traceId}`;
  const when = hasDay || isToday(trace.start_s) ? clock(trace.start_s) : `${shortDay(trace.start_s)} ${clock(trace.start_s)}`;
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
