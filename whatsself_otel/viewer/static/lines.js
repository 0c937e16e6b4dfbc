// What all log lines have: their level, and their fields to open.

import { el, pairs } from "./dom.js";
import { t } from "./text.js";

const opened = new Set();

export function level(name) {
  const mark = { fatal: "✕", error: "✕", warn: "▲" }[name] ?? "·";
  return el("span", { class: `level ${name}` }, el("span", { "aria-hidden": "true" }, `${mark} `), name);
}

export function fields(log, href = null) {
  const isOpen = opened.has(`log-${log.id}`);
  const keep = (event) => (event.target.open ? opened.add(`log-${log.id}`) : opened.delete(`log-${log.id}`));
  if (!Object.keys(log.attributes).length) return null;
  return el("details", { class: "fields", open: isOpen, ontoggle: keep }, el("summary", { "data-key": `fields-${log.id}` }, t("logs.details")), pairs(log.attributes, href));
}
