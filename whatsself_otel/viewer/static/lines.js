// What all log lines have: their level, and their fields to open.

import { el, foldout, pairs } from "./dom.js";
import { t } from "./text.js";

export function level(name) {
  const mark = { fatal: "✕", error: "✕", warn: "▲" }[name] ?? "·";
  return el("span", { class: `level ${name}` }, el("span", { "aria-hidden": "true" }, `${mark} `), name);
}

export function fields(log, href = null) {
  if (!Object.keys(log.attributes).length) return null;
  return foldout(`fields-${log.id}`, "fields", t("logs.details"), () => pairs(log.attributes, href));
}
