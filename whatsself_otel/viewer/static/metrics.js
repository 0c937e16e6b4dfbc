import { el, pick, svg } from "./dom.js";
import { get } from "./api.js";
import { clock, current, number, t } from "./text.js";

const WINDOWS = ["300", "900", "3600", "21600"];
const AREAS = ["messages", "queue", "whatsapp", "flows", "bridge", "application", "telemetry", "other"];
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
      shown.length ? AREAS.map((area) => section(area, shown.filter((metric) => metric.area === area), data)) : el("p", { class: "empty" }, t("metrics.none")),
    ];
  },
  title: () => t("metrics.title"),
};

function section(area, found, data) {
  if (!found.length) return null;
  return el("section", { "aria-labelledby": `area-${area}` }, el("h2", { id: `area-${area}`, class: "area" }, t(`metrics.area.${area}`)), el("div", { class: "cards" }, found.map((metric) => card(metric, data))));
}

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

function card(metric, data) {
  const isQuiet = (series) => !series.now && !series.bins.some(Boolean);
  const quiet = metric.series.filter(isQuiet);
  const shown = quiet.length === metric.series.length && quiet.length === 1 ? quiet : metric.series.filter((series) => !isQuiet(series));
  return el(
    "article",
    { class: "card" },
    el("h3", {}, metric.name),
    metric.description ? el("p", { class: "about" }, metric.description[current()]) : null,
    el("p", { class: "note" }, `${t(`metrics.${metric.kind}`)} · ${t(`metrics.across.${metric.across}`)}`),
    el("ul", { class: "series" }, shown.map((series) => row(metric, series, data))),
    quiet.length && shown !== quiet ? el("p", { class: "note" }, t("metrics.zero", { n: quiet.length })) : null,
    metric.more ? el("p", { class: "note" }, t("metrics.more", { n: metric.more })) : null,
    metric.traceIds.length
      ? el("p", { class: "note" }, `${t("metrics.traces")}: `, metric.traceIds.map((id, index) => [index ? ", " : "", el("a", { href: `#/trace/${id}`, "data-key": `exemplar-${metric.name}-${id}` }, t("metrics.trace", { id: id.slice(0, 8) }))]))
      : null,
  );
}

function row(metric, series, data) {
  const labels = Object.entries(series.labels).map(([name, value]) => `${name}=${value}`).join(" ");
  const measured = (value) => `${number(value)} ${unit(metric)}`;
  const means = metric.kind === "histogram" && series.now ? [t("metrics.mean", { mean: measured(series.sum / series.now) }), series.p50 === null ? null : `P50 ${measured(series.p50)}`, series.p95 === null ? null : `P95 ${measured(series.p95)}`] : [];
  return el(
    "li",
    {},
    el("span", { class: "labels" }, labels),
    plot(metric, series, data),
    el("span", { class: "now" }, `${number(series.now)} ${metric.kind === "histogram" ? "" : unit(metric)}`, means.filter(Boolean).map((text) => el("span", { class: "mean" }, text))),
  );
}

function unit(metric) {
  return metric.unit.startsWith("{") || metric.unit === "1" ? "" : metric.unit;
}

// Counters and histograms are bars from zero, gauges a line with gaps where nothing came; the scale is written beside it.
function plot(metric, series, data) {
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
  const top = values.length && max > 0 ? t("metrics.scale", { max: number(max) }) : "";
  const scale = el("span", { class: "scale", "aria-hidden": "true" }, top);
  const image = svg(
    "svg",
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label, preserveAspectRatio: "none" },
    svg("line", { class: "zero", x1: 0, x2: WIDTH, y1: y(0), y2: y(0) }),
    metric.kind === "gauge" ? path(series.bins, x, y) : bars(series.bins, x, y),
  );
  image.addEventListener("pointermove", (event) => (scale.textContent = under(event, image, series, data) ?? top));
  image.addEventListener("pointerleave", () => (scale.textContent = top));
  return el("span", { class: "plot" }, image, scale);
}

// What stands under the pointer: when, and how much.
function under(event, image, series, { window_s: length, now_s: now }) {
  const box = image.getBoundingClientRect();
  const index = Math.min(series.bins.length - 1, Math.max(0, Math.floor(((event.clientX - box.left) / box.width) * series.bins.length)));
  const value = series.bins[index];
  return value === null ? null : `${clock(now - length + ((index + 1) * length) / series.bins.length)} · ${number(value)}`;
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
