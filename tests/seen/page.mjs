// Draws one dashboard with Grafana's own components. What they do not draw, a plain stand-in shows, which says so.
import "@fontsource/inter/400.css";
import "@fontsource/inter/500.css";
import { createElement as h } from "react";
import { createRoot } from "react-dom/client";
import {
  EventBusSrv,
  FieldType,
  Registry,
  ThemeContext,
  applyFieldOverrides,
  createTheme,
  dateTime,
  getDisplayValueAlignmentFactors,
  getFieldDisplayValues,
  identityOverrideProcessor,
  standardFieldConfigEditorRegistry,
} from "@grafana/data";
import { initPluginTranslations } from "@grafana/i18n";
import { BarGauge, BigValue, PanelChrome, PanelContextProvider, VizRepeater } from "@grafana/ui";
import { TimeSeries } from "./node_modules/@grafana/ui/dist/esm/graveyard/TimeSeries/TimeSeries.mjs";

const OWN = ["unit", "noValue", "color", "min", "max", "decimals", "thresholds", "mappings", "links"];
const CUSTOM = [
  "drawStyle", "lineWidth", "fillOpacity", "showPoints", "spanNulls", "thresholdsStyle", "lineStyle", "barAlignment",
];

const item = (id, path, isCustom) => ({
  id, path, name: id, isCustom, process: identityOverrideProcessor, shouldApply: () => true, settings: {},
});
const registry = new Registry(() => [
  ...OWN.map((name) => item(name, name, false)),
  ...CUSTOM.map((name) => item(`custom.${name}`, name, true)),
]);
standardFieldConfigEditorRegistry.setInit(() => OWN.map((name) => item(name, name, false)));

function named(legend, labels) {
  if (legend && legend !== "__auto") return legend.replace(/\{\{(\w+)\}\}/g, (_, name) => labels[name] ?? "");
  const told = Object.entries(labels).filter(([name]) => name !== "__name__");
  return told.length ? `{${told.map(([name, value]) => `${name}="${value}"`).join(", ")}}` : "Value";
}

// Tempo's queries have no legend: an override names their series by a label, which Grafana's server would fill in.
function legend(panel, target) {
  const own = panel.fieldConfig.overrides.find((each) => each.matcher.options === target.refId)?.properties ?? [];
  const name = own.find((each) => each.id === "displayName")?.value;
  return name ? name.replace(/\$\{__field\.labels\.(\w+)\}/g, "{{$1}}") : target.legendFormat;
}

function frames(panel, answers) {
  return panel.targets.flatMap((target) =>
    (answers[target.refId]?.result ?? []).map((series) => {
      const points = series.values ?? [series.value];
      const labels = series.metric ?? {};
      return {
        refId: target.refId,
        length: points.length,
        fields: [
          { name: "Time", type: FieldType.time, config: {}, values: points.map(([at]) => at * 1000) },
          {
            name: "Value", type: FieldType.number, labels,
            config: { displayNameFromDS: named(legend(panel, target), labels) },
            values: points.map(([, value]) => Number(value)),
          },
        ],
      };
    }),
  );
}

function values(panel, data, theme) {
  return () =>
    getFieldDisplayValues({
      fieldConfig: panel.fieldConfig, reduceOptions: panel.options.reduceOptions, replaceVariables: (text) => text,
      theme, data, timeZone: "browser",
    });
}

function stat(panel, data, theme, width, height) {
  const render = ({ value, alignmentFactors, width, height, count }) =>
    h(BigValue, {
      value: value.display, count, alignmentFactors, width, height, theme, colorMode: panel.options.colorMode,
      graphMode: "none", justifyMode: panel.options.justifyMode, textMode: panel.options.textMode, text: panel.options.text,
    });
  return h(VizRepeater, {
    getValues: values(panel, data, theme), getAlignmentFactors: getDisplayValueAlignmentFactors, renderValue: render,
    width, height, source: data, autoGrid: true, renderCounter: 0, orientation: panel.options.orientation,
  });
}

function bars(panel, data, theme, width, height) {
  const render = ({ value, alignmentFactors, orientation, width, height, count }) =>
    h(BarGauge, {
      value: value.display, field: value.field, display: value.view?.getFieldDisplayProcessor?.(value.colIndex),
      count, alignmentFactors, orientation, width, height, theme, itemSpacing: 8, lcdCellWidth: 12,
      displayMode: panel.options.displayMode, showUnfilled: true, valueDisplayMode: panel.options.valueMode,
      namePlacement: panel.options.namePlacement, text: panel.options.text ?? {},
    });
  return h(VizRepeater, {
    getValues: values(panel, data, theme), getAlignmentFactors: getDisplayValueAlignmentFactors, renderValue: render,
    width, height, source: data, renderCounter: 0, orientation: panel.options.orientation, itemSpacing: 8,
    minVizHeight: panel.options.minVizHeight, maxVizHeight: panel.options.maxVizHeight, minVizWidth: 8,
  });
}

function lines(panel, data, page, width, height) {
  if (!data.length) return empty(panel);
  const range = { from: dateTime((panel.from ?? page.from) * 1000), to: dateTime(page.to * 1000) };
  return h(TimeSeries, {
    frames: data, structureRev: 1, timeRange: { ...range, raw: range }, timeZone: "browser", width, height,
    legend: panel.options.legend, options: panel.options, replaceVariables: (text) => text,
  });
}

const empty = (panel) => h("p", { className: "empty" }, panel.fieldConfig.defaults.noValue);
const standIn = (children) => h("div", { className: "stand-in" }, h("small", null, "stand-in, not Grafana's"), children);

function strips(panel, data, page) {
  if (!data.length) return empty(panel);
  const states = panel.fieldConfig.defaults.mappings[0].options;
  const span = page.to - page.from;
  const strip = (frame, row) => {
    const [times, codes] = frame.fields.map((field) => field.values);
    const parts = [];
    codes.forEach((code, at) => {
      const last = parts.at(-1);
      if (last?.code === code) last.until = times[at] / 1000;
      else parts.push({ code, since: times[at] / 1000, until: times[at] / 1000 + 15 });
    });
    const draw = ({ code, since, until }, key) => {
      const state = states[code] ?? { text: `? ${code}`, color: "#000" };
      const place = { left: `${(100 * (since - page.from)) / span}%`, width: `${(100 * (until - since)) / span}%` };
      return h("span", { key, style: { ...place, background: state.color } }, state.text);
    };
    return h("div", { key: row, className: "strip" }, h("b", null, frame.fields[1].config.displayNameFromDS),
      h("div", null, parts.map(draw)));
  };
  return standIn(data.map(strip));
}

function logLines(panel, answers) {
  const found = answers.A?.lines ?? [];
  if (!found.length) return empty(panel);
  const sorted = found.toSorted((one, other) => one._time.localeCompare(other._time));
  if (panel.options.sortOrder === "Descending") sorted.reverse();
  return standIn(h("ol", null, sorted.slice(0, 40).map((line, key) => h("li", { key }, `${line._time} ${line._msg}`))));
}

function table(panel, answers) {
  const found = answers.A?.traces ?? [];
  if (!found.length) return empty(panel);
  const row = (each, key) => h("li", { key }, `${each.trace} ${each.name} (${each.spans} spans)`);
  return standIn(h("ol", null, found.map(row)));
}

function drawn(panel, page, theme, width, height) {
  const answers = page.answers[panel.key] ?? {};
  const data = applyFieldOverrides({
    data: frames(panel, answers), fieldConfig: panel.fieldConfig, fieldConfigRegistry: registry, theme,
    replaceVariables: (text) => text, timeZone: "browser",
  });
  switch (panel.type) {
    case "stat": return stat(panel, data, theme, width, height);
    case "bargauge": return bars(panel, data, theme, width, height);
    case "timeseries": return lines(panel, data, page, width, height);
    case "state-timeline": return strips(panel, data, page);
    case "nodeGraph":
    case "table":
    case "traces": return table(panel, answers);
    default: return logLines(panel, answers);
  }
}

const CELL = 30;
const GAP = 8;

function Page({ page, theme }) {
  const phone = page.width < 769; // Grafana's breakpoint, below which panels stand one below the other
  const column = (page.width - 2 * GAP) / 24;
  let top = 0;
  const place = (panel) => {
    const { x, y, w, h: high } = panel.gridPos;
    const height = high * (CELL + GAP) - GAP;
    if (!phone) return { left: GAP + x * column, top: y * (CELL + GAP), width: w * column - GAP, height };
    const box = { left: GAP, top, width: page.width - 2 * GAP, height };
    top += height + GAP;
    return box;
  };
  const boxes = page.panels.map((panel) => [panel, place(panel)]);
  const bottom = Math.max(...boxes.map(([, box]) => box.top + box.height)) + GAP;
  const one = ([panel, box]) =>
    h("section", { key: panel.key, style: box, className: panel.type },
      panel.type === "row"
        ? h("h2", null, panel.title)
        : h(PanelChrome, { title: panel.title, width: box.width, height: box.height }, (width, height) =>
            drawn(panel, page, theme, width, height)));
  return h("main", { style: { height: bottom, background: theme.colors.background.canvas } }, boxes.map(one));
}

async function show() {
  // What is measured before the font is there is measured in another one.
  await Promise.all(["400", "500"].map((weight) => document.fonts.load(`${weight} 14px Inter`)));
  await initPluginTranslations("seen");
  const page = window.PAGE;
  const theme = createTheme({ colors: { mode: page.mode } });
  const root = document.documentElement.style;
  root.color = theme.colors.text.primary;
  root.fontFamily = theme.typography.fontFamily;
  root.fontSize = "14px";
  const context = { eventBus: new EventBusSrv(), eventsScope: "page", sync: () => 0, canAddAnnotations: () => false };
  const all = h(PanelContextProvider, { value: context }, h(Page, { page, theme }));
  createRoot(document.getElementById("page")).render(h(ThemeContext.Provider, { value: theme }, all));
  setTimeout(() => { window.DRAWN = true; }, 1500);
}

show();
