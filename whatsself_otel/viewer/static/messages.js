import { el, hidden, pick } from "./dom.js";
import { get } from "./api.js";
import { clock, counted, duration, moment, number, t } from "./text.js";

const WHICH = ["messages", "errors", "all"];

export const messages = {
  load: async ([which = "messages"]) => ({
    ...(await get(`/api/traces?which=${WHICH.includes(which) ? which : "messages"}`)),
    which,
  }),
  draw: ({ traces, which }, app) => [
    el(
      "div",
      { class: "head" },
      el("h1", { tabindex: "-1" }, t("messages.title")),
      pick(
        "which",
        t("messages.which"),
        WHICH.map((each) => [each, t(`messages.which.${each}`)]),
        which,
        (chosen) => app.go(`#/messages/${chosen}`),
      ),
    ),
    traces.length ? table(traces) : nothing(which, app),
  ],
  title: () => t("messages.title"),
};

export const found = {
  load: async ([id]) => ({ ...(await get(`/api/find?id=${encodeURIComponent(id)}`)), id }),
  draw: ({ traces, id }, app) => {
    if (traces.length === 1) return app.replace(`#/trace/${traces[0].traceId}`);
    return [
      el("h1", { tabindex: "-1" }, t("search.title", { id })),
      traces.length ? table(traces) : el("p", { class: "empty" }, t("search.none", { id })),
    ];
  },
  title: ({ id }) => t("search.title", { id }),
};

function nothing(which, app) {
  return el(
    "div",
    { class: "empty" },
    el("p", {}, t("messages.none")),
    which === "messages" && app.state.version > 0 ? el("p", {}, t("messages.others")) : null,
    app.connect(),
  );
}

function table(traces) {
  const columns = ["when", "what", "took", "spans", "logs", "state"];
  return el(
    "table",
    { class: "list" },
    el("thead", {}, el("tr", {}, columns.map((name) => el("th", { scope: "col", class: name }, t(`messages.${name}`))))),
    el("tbody", {}, traces.map(row)),
  );
}

function row(trace) {
  const key = `trace-${trace.traceId}`;
  return el(
    "tr",
    {},
    el("td", { class: "when" }, el("time", { title: moment(trace.start_s) }, clock(trace.start_s))),
    el(
      "td",
      { class: "what" },
      el("a", { href: `#/trace/${trace.traceId}`, "data-key": key }, trace.name || t("messages.unfinished")),
      el("span", { class: "ids" }, shownIds(trace).map((name) => id(name, trace[name]))),
    ),
    el("td", { class: "took" }, duration(trace.took_ms)),
    el("td", { class: "spans" }, number(trace.spans), el("span", { class: "unit" }, ` ${t("messages.spans")}`)),
    el("td", { class: "logs" }, number(trace.logs), el("span", { class: "unit" }, ` ${t("messages.logs")}`)),
    el("td", { class: "state" }, state(trace.errors)),
  );
}

function shownIds(trace) {
  return trace.contactId || trace.messageId ? ["contactId", "messageId"] : ["requestId"];
}

function id(name, value) {
  return value ? el("span", { class: "id" }, el("span", { class: "id-name" }, `${name} `), value) : null;
}

export function state(errors) {
  return errors
    ? el("span", { class: "badge bad" }, el("span", { "aria-hidden": "true" }, "✕ "), counted("messages.errors", errors))
    : el("span", { class: "badge good" }, el("span", { "aria-hidden": "true" }, "✓"), hidden(t("messages.ok")));
}
