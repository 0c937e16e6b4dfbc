// How much there was when: bars over time, over which one drags to see that time alone.

import { brush } from "./brush.js";
import { el, foldout, svg } from "./dom.js";
import { clock, counted, day, duration, number, percent, t } from "./text.js";

const WIDTH = 600;
const HEIGHT = 60;

export function histogram(traffic, onrange) {
  if (!traffic.total) return null;
  return el(
    "section",
    { class: "traffic", "aria-label": t("traffic.title") },
    facts(traffic),
    el("div", { class: "bars" }, plot(traffic, onrange)),
    el("div", { class: "ends", "aria-hidden": "true" }, el("span", {}, moment(traffic.from_s, traffic)), el("span", { class: "hint" }, t("traffic.drag")), el("span", {}, moment(traffic.to_s, traffic))),
  );
}

// How long they took: each bar leads to those alone.
export function durations(traffic, href) {
  if (!traffic.total) return null;
  return foldout("durations", "more", t("traffic.durations"), () => durationList(traffic, href));
}

function durationList(traffic, href) {
  const most = Math.max(...traffic.durations.map((each) => each.count));
  const rows = traffic.durations.map((each, index) => [index ? traffic.durations[index - 1].to_ms : 0, each]).filter(([, each]) => each.count);
  return el("ul", { class: "durations" }, rows.map(([from, { to_ms: to, count }]) => el("li", {}, el("a", { href: href(from, to), "data-key": `took-${from}` }, to === null ? t("traffic.longer", { from: duration(from) }) : t("traffic.between", { from: duration(from), to: duration(to) })), el("span", { class: "measure", "aria-hidden": "true", "--share": count / most }), el("span", { class: "count" }, number(count)))));
}

function facts(traffic) {
  const share = traffic.total_failed / traffic.total;
  const texts = [
    counted("traffic.total", traffic.total),
    traffic.is_cut ? t("traffic.cut") : null,
    traffic.total_failed ? `${counted("traffic.failed", traffic.total_failed)} (${percent(share)})` : null,
    t("traffic.first", { time: moment(traffic.first_s, { from_s: traffic.first_s, to_s: traffic.first_s + 90000 }) }),
    ...Object.entries(traffic.percentiles_ms).map(([name, ms]) => `${name.toUpperCase()} ${duration(ms)}`),
  ];
  return el("p", { class: "traffic-facts" }, texts.filter(Boolean).map((text) => el("span", {}, text)));
}

function plot(traffic, onrange) {
  const most = Math.max(...traffic.counts, 1);
  const wide = WIDTH / traffic.counts.length;
  const bar = (count, index) => (count ? `M${index * wide + 0.5} ${HEIGHT}v${-Math.max(2, (count / most) * HEIGHT)}h${wide - 1}V${HEIGHT}z` : "");
  const image = svg(
    "svg",
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": told(traffic, most) },
    svg("path", { class: "all", d: traffic.counts.map(bar).join("") }),
    svg("path", { class: "failed", d: traffic.failed.map(bar).join("") }),
  );
  brush(image, { width: WIDTH, height: HEIGHT }, (left, right) => {
    const bars = traffic.counts.length; // whole bars: what is drawn in one is what is chosen
    const [from, to] = [Math.floor(left * bars) / bars, Math.ceil(right * bars) / bars];
    const length = traffic.to_s - traffic.from_s;
    onrange(traffic.from_s + from * length, traffic.from_s + to * length);
  });
  return image;
}

function told(traffic, most) {
  return t("traffic.told", { total: number(traffic.total), failed: number(traffic.total_failed), most: number(most), from: moment(traffic.from_s, traffic), to: moment(traffic.to_s, traffic) });
}

function moment(seconds, { from_s, to_s }) {
  return to_s - from_s > 80000 ? `${day(seconds)} ${clock(seconds)}` : clock(seconds);
}
