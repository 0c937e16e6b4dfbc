// The keyboard: / searches, j and k go through what is listed, ? says so.

import { el } from "./dom.js";
import { t } from "./text.js";

const KEYS = { "/": "search", j: "down", k: "up", z: "zoom", "?": "help" };

export function listenToKeys() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    const action = { "/": find, j: () => step(1), k: () => step(-1), "?": help }[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });
  document.getElementById("keys").addEventListener("click", help);
}

function isTyping(node) {
  return /^(INPUT|SELECT|TEXTAREA)$/.test(node.tagName);
}

function find() {
  (document.getElementById("text") ?? document.getElementById("id")).focus();
}

function step(by) {
  const rows = [...document.querySelectorAll("main .row, main .span-name")];
  const at = rows.indexOf(document.activeElement);
  rows[at < 0 ? (by > 0 ? 0 : rows.length - 1) : Math.min(rows.length - 1, Math.max(0, at + by))]?.focus();
}

function help() {
  const dialog = document.getElementById("help");
  if (dialog.open) return dialog.close();
  dialog.replaceChildren(
    el("h2", {}, t("keys.title")),
    el("dl", { class: "keys" }, Object.entries(KEYS).map(([key, name]) => el("div", {}, el("dt", {}, el("kbd", {}, key)), el("dd", {}, t(`keys.${name}`))))),
    el("form", { method: "dialog" }, el("button", { type: "submit" }, t("keys.close"))),
  );
  dialog.showModal();
}
