// Both languages come from texts.json; numbers and times follow the language too.

import table from "./texts.json" with { type: "json" };

const TAGS = { en: "en-GB", pt: "pt-BR" };
const formats = new Map();
let language = "en";

// Finds the reader's language, and makes what takes long to make, so that it need not be made while somebody waits.
export function prepareTexts() {
  const kept = localStorage.getItem("language");
  language = kept in TAGS ? kept : navigator.language.toLowerCase().startsWith("pt") ? "pt" : "en";
  for (const prepared of [moment(0), dayInWords(Date.now() / 1000)]) void prepared;
}

export function current() {
  return language;
}

export function choose(name) {
  language = name;
  localStorage.setItem("language", name);
}

export function t(key, values = {}) {
  const text = table[key]?.[language] ?? `⟨${key}⟩`;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

// A word of a closed set in the reader's language; as it is where the set has grown.
export function known(set, value) {
  return table[`${set}.${value}`]?.[language] ?? value.replaceAll("_", " ");
}

export function counted(key, n) {
  return t(n === 1 ? `${key}.one` : `${key}.many`, { n: number(n) });
}

// A browser takes milliseconds for the first of each kind: all are made once.
function format(Format, shape) {
  const key = `${Format.name} ${language} ${JSON.stringify(shape)}`;
  if (!formats.has(key)) formats.set(key, new Format(TAGS[language], shape));
  return formats.get(key);
}

// As Intl.NumberFormat writes them, without the 13 ms that a browser takes for its first one.
export function number(value, digits = 3) {
  const size = Math.abs(value);
  if (!isUsual(size)) return format(Intl.NumberFormat, { maximumSignificantDigits: digits }).format(value);
  const places = size >= 1000 || size === 0 ? 0 : digits - 1 - Math.floor(Math.log10(size));
  return `${value < 0 ? "-" : ""}${written(rounded(size, places))}`;
}

export function percent(value, digits = 1) {
  const size = Math.abs(value);
  if (!isUsual(size)) return format(Intl.NumberFormat, { style: "percent", maximumFractionDigits: digits }).format(value);
  return `${value < 0 ? "-" : ""}${written(rounded(size, digits + 2, 2))}%`;
}

// What is written without an exponent.
function isUsual(size) {
  return size === 0 || (size >= 1e-6 && size < 1e15);
}

// Halves go up, as they are written and not as they are stored: 0.15 becomes 0.2. *shift* moves the point to the right.
function rounded(size, places, shift = 0) {
  return Number(`${Math.round(Number(`${size}e${places}`))}e${shift - places}`);
}

function written(size) {
  const [whole, part] = String(size).split(".");
  const [point, comma] = language === "pt" ? [",", "."] : [".", ","];
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, comma);
  return part ? `${grouped}${point}${part}` : grouped;
}

export function duration(ms) {
  if (ms >= 60000) return `${number(ms / 60000)} min`;
  if (ms >= 1000) return `${number(ms / 1000)} s`;
  return `${number(ms >= 100 ? Math.round(ms) : ms)} ms`;
}

export function bytes(count) {
  return `${number(count / (1024 * 1024))} MiB`;
}

export function clock(seconds, withMs = false) {
  const date = new Date(seconds * 1000);
  const text = [date.getHours(), date.getMinutes(), date.getSeconds()].map((each) => padded(each, 2)).join(":");
  return withMs ? `${text}${language === "pt" ? "," : "."}${padded(date.getMilliseconds(), 3)}` : text;
}

export function day(seconds) {
  const date = new Date(seconds * 1000);
  return `${padded(date.getDate(), 2)}/${padded(date.getMonth() + 1, 2)}`;
}

function padded(value, digits) {
  return String(value).padStart(digits, "0");
}

// A day in words: "Today · Monday, 30 November", with its year where that is another.
export function dayInWords(seconds) {
  const date = new Date(seconds * 1000);
  const shape = { weekday: "long", day: "numeric", month: "long" };
  if (date.getFullYear() !== new Date().getFullYear()) shape.year = "numeric";
  const written = format(Intl.DateTimeFormat, shape).format(date);
  const ago = Math.round((midnight(new Date()) - midnight(date)) / 86400000);
  if (ago < 0 || ago > 1) return capital(written);
  return `${capital(format(Intl.RelativeTimeFormat, { numeric: "auto" }).format(-ago, "day"))} · ${written}`;
}

function midnight(date) {
  return new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();
}

function capital(text) {
  return text.charAt(0).toLocaleUpperCase(TAGS[language]) + text.slice(1);
}

export function sameDay(one, other) {
  return new Date(one * 1000).toDateString() === new Date(other * 1000).toDateString();
}

export function isToday(seconds) {
  return new Date(seconds * 1000).toDateString() === new Date().toDateString();
}

export function moment(seconds) {
  const shape = { dateStyle: "medium", timeStyle: "medium" };
  return format(Intl.DateTimeFormat, shape).format(new Date(seconds * 1000));
}
