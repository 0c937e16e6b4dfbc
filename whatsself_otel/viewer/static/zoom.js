// Which part of a trace is shown: chosen over a small picture of the whole, by buttons or by a span; the address says it.

import { brush } from "./brush.js";
import { compose } from "./address.js";
import { el, svg } from "./dom.js";
import { duration, t } from "./text.js";

const WIDTH = 600;
const HEIGHT = 48;
const LEAST_MS = 0.001;

// The part that the address names, in milliseconds after the trace's start; else all of it.
export function part(params, length) {
  const found = /^(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?)$/.exec(params.get("zoom") ?? "");
  if (!found) return { from: 0, to: length };
  const [from, to] = [Math.max(0, Number(found[1])), Math.min(length, Number(found[2]))];
  return to - from >= LEAST_MS ? { from, to } : { from: 0, to: length };
}

export function zoomTo(app, from, to, length) {
  const { name, rest, params } = app.route;
  const isWhole = from <= 0 && to >= length;
  if (isWhole) params.delete("zoom");
  else params.set("zoom", `${tidy(Math.max(0, from))}-${tidy(Math.min(length, to))}`);
  history.replaceState(null, "", compose(name, params, rest));
  app.redraw();
}

// To a span, or back to the whole where that span is what is shown.
export function zoomToSpan(app, span, { start, length, shown }) {
  const from = span.start_ms - start;
  const to = from + Math.max(span.took_ms, LEAST_MS);
  const isShown = tidy(shown.from) === tidy(from) && tidy(shown.to) === tidy(to);
  if (isShown) zoomTo(app, 0, length, length);
  else zoomTo(app, from, to, length);
}

function tidy(ms) {
  return Number(ms.toFixed(4));
}

export function zoomBar(spans, context) {
  const { length, shown, app } = context;
  const isWhole = shown.from === 0 && shown.to === length;
  const wide = shown.to - shown.from;
  const grow = (by) => {
    const middle = (shown.from + shown.to) / 2;
    const half = Math.max(LEAST_MS, wide * by) / 2;
    const from = Math.min(Math.max(0, middle - half), Math.max(0, length - 2 * half));
    zoomTo(app, from, from + 2 * half, length);
  };
  return el(
    "div",
    { class: "zoom" },
    small(spans, context),
    el(
      "div",
      { class: "zoom-buttons", role: "group", "aria-label": t("zoom.title") },
      button("in", wide <= 2 * LEAST_MS, () => grow(0.5)),
      button("out", isWhole, () => grow(2)),
      button("whole", isWhole, () => zoomTo(app, 0, length, length)),
      el("span", { class: "note", role: "status" }, isWhole ? t("zoom.hint") : t("zoom.shown", { from: duration(shown.from), to: duration(shown.to), length: duration(length) })),
    ),
  );
}

function button(name, isOff, onclick) {
  return el("button", { type: "button", class: "quiet", "data-key": `zoom-${name}`, "aria-disabled": isOff ? "true" : null, onclick: isOff ? null : onclick }, t(`zoom.${name}`));
}

// The whole trace, a line for each span.
function small(spans, { start, length, shown, app, kindOf }) {
  const high = HEIGHT / spans.length;
  const x = (ms) => (ms / length) * WIDTH;
  const image = svg(
    "svg",
    { class: "whole", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": t("zoom.picture", { from: duration(shown.from), to: duration(shown.to), length: duration(length) }) },
    spans.map((span, index) =>
      svg("rect", { class: `mini ${span.isError ? "failed" : kindOf(span)}`, x: x(span.start_ms - start), y: index * high, width: Math.max(1.5, x(Math.max(0, span.took_ms))), height: Math.min(6, Math.max(1, high * 0.7)) }),
    ),
    svg("rect", { class: "veil", x: 0, y: 0, width: x(shown.from), height: HEIGHT }),
    svg("rect", { class: "veil", x: x(shown.to), y: 0, width: Math.max(0, WIDTH - x(shown.to)), height: HEIGHT }),
    svg("path", { class: "edge", d: `M${x(shown.from)} 0V${HEIGHT}M${x(shown.to)} 0V${HEIGHT}` }),
  );
  brush(image, { width: WIDTH, height: HEIGHT }, (from, to) => zoomTo(app, from * length, to * length, length));
  image.addEventListener("dblclick", () => zoomTo(app, 0, length, length));
  return image;
}
