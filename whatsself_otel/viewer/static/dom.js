// Elements are made one by one and values only ever become text: nothing that arrives is read as markup.

const SVG = "http://www.w3.org/2000/svg";
const opened = new Set();

export function el(tag, properties = {}, ...children) {
  return fill(document.createElement(tag), properties, children);
}

export function svg(tag, properties = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), properties, children);
}

function fill(node, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name.startsWith("--")) node.style.setProperty(name, value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export function hidden(text) {
  return el("span", { class: "hidden" }, text);
}

export function say(text) {
  document.getElementById("said").textContent = text;
}

export function pick(id, label, options, chosen, onchoice) {
  const select = el(
    "select",
    { id, "data-key": id, onchange: (event) => onchoice(event.target.value) },
    options.map(([value, text]) => el("option", { value, selected: value === chosen }, text)),
  );
  return el("span", { class: "field" }, el("label", { for: id }, label), select);
}

// A line that opens: what is behind it is made only then, and it stays open when the page is drawn again.
export function foldout(name, style, title, make) {
  const isOpen = isUnfolded(name);
  const keep = ({ target }) => {
    if (!target.open) return opened.delete(name);
    opened.add(name);
    if (target.childElementCount === 1) target.append(make());
  };
  return el("details", { class: style, open: isOpen, ontoggle: keep }, el("summary", { "data-key": name }, title), isOpen ? make() : null);
}

export function isUnfolded(name) {
  return opened.has(name);
}

// Names and values; *href* leads from one of them to whatever has the same.
export function pairs(values, href = null) {
  const shown = (value) => (typeof value === "string" ? value : JSON.stringify(value));
  const link = (name, value) => (href && String(value).length <= 100 && typeof value !== "object" ? el("a", { href: href(name, shown(value)), class: "same" }, shown(value)) : shown(value));
  return el("dl", { class: "pairs" }, Object.entries(values).map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, link(name, value)))));
}
