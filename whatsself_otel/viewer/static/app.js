// One page: the address after # says what is shown; what is shown is asked for again whenever something arrived.
// The viewer sends all modules as one script, page.js: see page_script.py.

import { Problem, get } from "./api.js";
import { opener } from "./files.js";
import { el, say } from "./dom.js";
import { parse } from "./address.js";
import { contact } from "./contact.js";
import { listenToKeys } from "./keys.js";
import { found, messages } from "./messages.js";
import { health } from "./health.js";
import { logs } from "./logs.js";
import { metrics } from "./metrics.js";
import { overview } from "./overview.js";
import { trace } from "./trace.js";
import { choose, current, prepareTexts, t } from "./text.js";

const VIEWS = { overview, messages, find: found, contact, trace, logs, metrics, health };
const OWNERS = { find: "messages", trace: "messages", contact: "messages" };
const PAUSE_MS = 2000;

class App {
  asked = { name: "overview", rest: [], params: new URLSearchParams() };
  route = null; // what is shown: what was asked for, once its data is here
  state = JSON.parse(document.querySelector("meta[name=state]").content);
  isLive = true;
  ready = Promise.resolve(); // until then nothing can be drawn, but data can be asked for
  held = null; // what a hand is on, and would lose if it were drawn again: a button, a drag, an open list of choices
  free = null; // comes true once the hand is off
  letGo = () => {};
  data = null;
  turn = 0;

  go(hash) {
    location.hash = hash;
  }

  replace(hash) {
    location.replace(hash);
    return [];
  }

  async open() {
    const asked = parse(location.hash);
    this.asked = { ...asked, name: asked.name in VIEWS ? asked.name : "overview" };
    const refreshed = this.refresh();
    await this.ready;
    this.mark();
    await refreshed;
  }

  mark() {
    const owner = OWNERS[this.asked.name] ?? this.asked.name;
    for (const link of document.querySelectorAll("nav a")) {
      if (link.dataset.view === owner) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
  }

  async refresh() {
    const turn = ++this.turn;
    const asked = this.asked;
    try {
      const data = await VIEWS[asked.name].load(asked);
      await this.ready;
      while (this.held && this.route === asked) await this.free;
      if (turn !== this.turn) return; // somebody went on meanwhile
      const isSame = this.route === asked && steady(data) === steady(this.data);
      const isArrival = this.route !== asked;
      this.data = data;
      this.route = asked;
      this.problem(null);
      if (!isSame) this.redraw(isArrival);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.problem(error.kind);
    }
  }

  redraw(isNew = false) {
    const view = VIEWS[this.route.name];
    const main = document.getElementById("main");
    const held = isNew ? null : firstInSight(main);
    const key = main.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    const typed = document.activeElement?.value;
    main.replaceChildren(...view.draw(this.data, this).flat(Infinity).filter(Boolean));
    document.title = `${view.title(this.data)} · ${t("app.title")}`;
    const target = this.point(view);
    if (isNew) this.arrive(target);
    else {
      if (key) this.refocus(key, typed);
      hold(held);
    }
  }

  // What the address points at is marked for as long as one looks at it.
  point(view) {
    const key = view.target?.(this.route.rest);
    const node = key ? document.querySelector(`[data-key="${CSS.escape(key)}"]`) : null;
    node?.closest(".span, .log")?.classList.add("target");
    return node;
  }

  arrive(target) {
    if (target) {
      const box = target.closest(".span, .log");
      box.classList.add("arrived");
      box.scrollIntoView({ block: "center" });
      target.focus({ preventScroll: true });
    } else if (this.hasArrived) {
      document.querySelector("main h1")?.focus();
    }
    this.hasArrived = true;
  }

  refocus(key, typed) {
    const node = document.querySelector(`[data-key="${CSS.escape(key)}"]`);
    if (!node) return;
    if (node.tagName === "INPUT") node.value = typed;
    node.focus({ preventScroll: true });
    if (node.type === "search" || node.type === "text") node.setSelectionRange(typed.length, typed.length);
  }

  hold(node) {
    this.release();
    this.held = node;
    this.free = new Promise((resolve) => (this.letGo = resolve));
  }

  release() {
    this.held = null;
    setTimeout(this.letGo); // after the click that a release may be
  }

  async watch() {
    if (this.isLive && !document.hidden) await this.look();
    setTimeout(() => this.watch(), PAUSE_MS);
  }

  async look() {
    try {
      const state = await get("/api/state");
      this.problem(null);
      const isNew = state.version !== this.state.version;
      this.state = state;
      if (isNew) {
        drawConnect(this);
        await this.refresh();
      }
    } catch (error) {
      this.problem(error.kind ?? "lost");
    }
  }

  problem(kind) {
    const box = document.getElementById("problem");
    const text = kind ? t(`app.${kind}`) : "";
    write(box, text);
    box.hidden = !kind;
  }

  connect() {
    return connectBody(this.state, "empty");
  }
}

// What one reads stays where it is, however much arrives above it.
function firstInSight(main) {
  if (window.scrollY === 0) return null;
  const isInSight = ({ height, top }) => height > 0 && top >= 0;
  const node = [...main.querySelectorAll("[data-key]")].find((each) => isInSight(each.getBoundingClientRect()));
  return node && { key: node.dataset.key, top: node.getBoundingClientRect().top };
}

function hold(held) {
  const node = held && document.querySelector(`[data-key="${CSS.escape(held.key)}"]`);
  if (node) window.scrollBy(0, node.getBoundingClientRect().top - held.top);
}

// What is shown, without the moments that go on by themselves.
function steady(data) {
  return JSON.stringify(data, (name, value) => (["from_s", "to_s", "now_s"].includes(name) ? undefined : value));
}

function connectBody({ send_to: sendTo, from: source }, place) {
  if (!sendTo.http) return el("p", { class: "connect" }, t("app.stack"));
  return el(
    "div",
    { class: "connect" },
    el("p", {}, t("connect.any")),
    command(`OTEL_EXPORTER_OTLP_ENDPOINT=${sendTo.http ?? ""}`, place),
    sendTo.grpc ? [el("p", {}, t("connect.grpc")), command(`OTEL_EXPORTER_OTLP_ENDPOINT=${sendTo.grpc} OTEL_EXPORTER_OTLP_PROTOCOL=grpc`, place)] : null,
    source === "viewer" ? [el("p", {}, t("connect.real")), command("whatsself-otel stack up", place), el("p", { class: "note" }, t("connect.real.same"))] : el("p", { class: "note" }, t("app.stack")),
  );
}

function command(line, place) {
  const press = async (event) => {
    await navigator.clipboard.writeText(line);
    event.target.textContent = t("app.copied");
    say(t("app.copied"));
  };
  return el("p", { class: "command" }, el("code", { tabindex: "0" }, line), el("button", { type: "button", class: "quiet", "aria-label": `${t("app.copy")}: ${line}`, "data-key": `copy-${place}-${line}`, onclick: press }, t("app.copy")));
}

function drawConnect(app) {
  document.getElementById("what").textContent = app.state.from === "stack" ? t("app.stack") : t("app.development");
  document.getElementById("connect-body").replaceChildren(connectBody(app.state, "footer"), app.state.from === "viewer" ? opener(app) : "");
}

function drawLive(app) {
  const button = document.getElementById("live");
  button.replaceChildren(app.isLive ? "● " : "❚❚ ", el("span", { class: "live-text" }, t(app.isLive ? "app.live" : "app.paused")));
  button.setAttribute("aria-label", t(app.isLive ? "app.live.pause" : "app.live.resume"));
  button.classList.toggle("on", app.isLive);
}

function speak(app) {
  document.documentElement.lang = current() === "pt" ? "pt-BR" : "en";
  document.getElementById("language").value = current();
  for (const node of document.querySelectorAll("[data-text]")) write(node, t(node.dataset.text));
  for (const node of document.querySelectorAll("[data-placeholder]")) node.placeholder = t(node.dataset.placeholder);
  for (const node of document.querySelectorAll("[data-label]")) node.setAttribute("aria-label", t(node.dataset.label));
  drawLive(app);
  drawConnect(app);
}

// What stays the same is not laid out again.
function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function dress(theme) {
  localStorage.setItem("theme", theme);
  document.documentElement.dataset.theme = theme;
}

// A list of choices is open until one is made or the focus leaves it; everything else is held while it is pressed.
function listenToTheHand(app) {
  const isList = () => app.held?.tagName === "SELECT";
  document.addEventListener("pointerdown", ({ button, target }) => {
    if (button === 0 && document.getElementById("main").contains(target)) app.hold(target);
  });
  for (const kind of ["pointerup", "pointercancel", "contextmenu"]) document.addEventListener(kind, () => isList() || app.release());
  for (const kind of ["change", "focusout"]) document.addEventListener(kind, () => isList() && app.release());
}

function listen(app) {
  listenToTheHand(app);
  window.addEventListener("hashchange", () => app.open());
  document.getElementById("skip").addEventListener("click", (event) => {
    event.preventDefault();
    document.getElementById("main").focus();
  });
  document.getElementById("search").addEventListener("submit", (event) => {
    event.preventDefault();
    const id = document.getElementById("id").value.trim();
    if (id) app.go(`#/find/${encodeURIComponent(id)}`);
  });
  document.getElementById("language").addEventListener("change", (event) => {
    choose(event.target.value);
    speak(app);
    if (app.data) app.redraw();
  });
  document.getElementById("theme").addEventListener("change", (event) => dress(event.target.value));
  document.getElementById("live").addEventListener("click", () => {
    app.isLive = !app.isLive;
    drawLive(app);
  });
}

async function main() {
  const app = new App();
  app.ready = parsed().then(() => prepare(app));
  const opened = app.open(); // asks for data; everything below is done while that comes
  document.documentElement.dataset.theme = localStorage.getItem("theme") ?? "system";
  await opened;
  setTimeout(() => app.watch(), PAUSE_MS);
}

async function parsed() {
  if (document.readyState === "loading") await new Promise((resolve) => document.addEventListener("DOMContentLoaded", resolve));
}

function prepare(app) {
  document.getElementById("theme").value = document.documentElement.dataset.theme;
  prepareTexts();
  speak(app);
  listen(app);
  listenToKeys();
}

main();
