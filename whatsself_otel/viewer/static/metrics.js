import { el, pick, svg } from "./dom.js";
import { get } from "./api.js";
import { current, number, t } from "./text.js";

const WINDOWS = ["300", "900", "3600", "21600"];
const WIDTH = 180;
const HEIGHT = 32;

export const metrics = {
  load: async ({ rest: [window = "300", filter = ""] }) => {
    const chosen = WINDOWS.includes(window) ? window : "300";
    return { ...(await get(`/api/metrics?window_s=${chosen}`)), chosen, filter };
  },
  draw: (data, app) => {
    const shown = data.metrics.filter((metric) => metric.name.includes(data.filter.toLowerCase()));
    return [
      el("div", { class: "head" }, el("h1", { tabindex: "-1" }, t("metrics.title")), filters(data, app)),
      shown.length ? el("div", { class: "cards" }, shown.map(card)) : el("p", { class: "empty" }, t("metrics.none")),
    ];
  },
  title: () => t("metrics.title"),
};

function filters({ chosen, filter }, app) {
  const go = (window, text) => app.go(`#/metrics/${window}${text ? `/${encodeURIComponent(text)}` : ""}`);
  return el(
    "div",
    { class: "filters" },
    pick("window", t("metrics.window"), WINDOWS.map((each) => [each, t(`metrics.window.${each}`)]), chosen, (value) => go(value, filter)),
    el(
      "span",
      { class: "field" },
      el("label", { for: "filter" }, t("metrics.filter")),
      el("input", { id: "filter", type: "search", value: filter, "data-key": "filter", onchange: (event) => go(chosen, event.target.value) }),
    ),
  );
}

function card(metric) {
  const isQuiet = (series) => !series.now && !series.bins.some(Boolean);
  const quiet = metric.series.filter(isQuiet);
  const shown = quiet.length === metric.series.length && quiet.length === 1 ? quiet : metric.series.filter((series) => !isQuiet(series));
  return el(
    "article",
    { class: "card" },
    el("h2", {}, metric.name),
    metric.description ? el("p", { class: "about" }, metric.description[current()]) : null,
    el("p", { class: "note" }, `${t(`metrics.${metric.kind}`)} · ${t(`metrics.across.${metric.across}`)}`),
    el("ul", { class: "series" }, shown.map((series) => row(metric, series))),
    quiet.length && shown !== quiet ? el("p", { class: "note" }, t("metrics.zero", { n: quiet.length })) : null,
    metric.more ? el("p", { class: "note" }, t("metrics.more", { n: metric.more })) : null,
    metric.traceIds.length
      ? el("p", { class: "note" }, `${t("metrics.traces")}: `, metric.traceIds.map((id, index) => [index ? ", " : "", el("a", { href: `#/trace/${id}`, "data-key": `exemplar-${metric.name}-${id}` }, t("metrics.trace", { id: id.slice(0, 8) }))]))
      : null,
  );
}

function row(metric, series) {
  const labels = Object.entries(series.labels).map(([name, value]) => `${name}=${value}`).join(" ");
  const mean = metric.kind === "histogram" && series.now ? t("metrics.mean", { mean: `${number(series.sum / series.now)} ${unit(metric)}` }) : null;
  return el(
    "li",
    {},
    el("span", { class: "labels" }, labels),
    plot(metric, series),
    el("span", { class: "now" }, `${number(series.now)} ${metric.kind === "histogram" ? "" : unit(metric)}`, mean ? el("span", { class: "mean" }, mean) : null),
  );
}

function unit(metric) {
  return metric.unit.startsWith("{") || metric.unit === "1" ? "" : metric.unit;
}

// Counters and histograms are bars from zero, gauges a line with gaps where nothing came; the scale is written beside it.
function plot(metric, series) {
  const values = series.bins.filter((value) => value !== null);
  const max = Math.max(0, ...values);
  const min = Math.min(0, ...values);
  const name = metric.name;
  const now = number(series.now);
  const label = values.length
    ? t("metrics.plot", { name, now, min: number(Math.min(...values)), max: number(Math.max(...values)) })
    : t("metrics.plot.empty", { name, now });
  const y = (value) => HEIGHT - 1 - ((value - min) / (max - min || 1)) * (HEIGHT - 2);
  const x = (index) => (index * WIDTH) / series.bins.length;
  return el(
    "span",
    { class: "plot" },
    svg(
      "svg",
      { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label, preserveAspectRatio: "none" },
      svg("line", { class: "zero", x1: 0, x2: WIDTH, y1: y(0), y2: y(0) }),
      metric.kind === "gauge" ? path(series.bins, x, y) : bars(series.bins, x, y),
    ),
    el("span", { class: "scale", "aria-hidden": "true" }, values.length && max > 0 ? t("metrics.scale", { max: number(max) }) : ""),
  );
}

function bars(bins, x, y) {
  const width = WIDTH / bins.length;
  return bins.map((value, index) =>
    value ? svg("rect", { class: "column", x: x(index), y: y(value), width: width * 0.75, height: Math.max(0.5, y(0) - y(value)) }) : null,
  );
}

// A value holds until the next one comes, for as long as exports may be apart; what is missing for longer is a gap.
function path(bins, x, y) {
  const held = 5;
  let steps = "";
  let last = null;
  bins.forEach((value, index) => {
    if (value === null) return;
    const joined = last !== null && index - last <= held;
    steps += joined ? `H${x(index)}V${y(value)}` : `M${x(index)} ${y(value)}`;
    last = index;
  });
  if (last !== null) steps += `H${x(Math.min(bins.length, last + 1))}`;
  return svg("path", { class: "curve", d: steps });
}
