// What happened to a message, in one line: "text in → prices → read in 12 s".

import { el, hidden } from "./dom.js";
import { counted, duration, known, t } from "./text.js";

const MARKS = { read: "✓✓", delivered: "✓✓", sent: "✓", failed: "✕", unanswered: "○" };
const STYLES = { read: "good", delivered: "good", sent: "good", failed: "bad", unanswered: "warn" };

export function sentence(trace) {
  const signs = trace.signs ?? {};
  if (!trace.outcome) return trace.name || t("messages.unfinished");
  const parts = [beginning(signs), flow(signs), ending(trace, signs)];
  return parts.filter(Boolean).join(" → ");
}

function beginning(signs) {
  const kind = known("kind", signs.kind || "message");
  return t(signs.direction === "inbound" ? "story.in" : "story.out", { kind });
}

function flow(signs) {
  return (signs.flow ?? "").replace(/^(flow|trigger)_/, "").replaceAll("_", " ");
}

function ending(trace, signs) {
  const reason = trace.reason ? known("reason", trace.reason) : "";
  if (trace.outcome === "failed") return reason ? t("story.failed.reason", { reason }) : t("outcome.failed");
  const at = signs[`${trace.outcome}_ns`];
  return at ? t(`story.${trace.outcome}`, { time: duration(Math.max(0, at / 1e6 - trace.start_s * 1e3)) }) : t(`outcome.${trace.outcome}`);
}

export function state(trace) {
  const errors = trace.errors ? [" ", el("span", { class: "badge bad" }, counted("messages.errors", trace.errors))] : null;
  if (!trace.outcome) return trace.errors ? errors[1] : badge("good", "✓", hidden(t("messages.ok")));
  return [badge(STYLES[trace.outcome], MARKS[trace.outcome], t(`outcome.${trace.outcome}`)), trace.outcome === "failed" ? null : errors];
}

function badge(style, mark, text) {
  return el("span", { class: `badge ${style}` }, el("span", { "aria-hidden": "true" }, `${mark} `), text);
}
