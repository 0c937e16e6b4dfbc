// Everything of one contact, day by day.

import { changed, compose } from "./address.js";
import { get } from "./api.js";
import { el, pick } from "./dom.js";
import { SORTS, looked, more, range } from "./filters.js";
import { histogram } from "./histogram.js";
import { WHICH, table } from "./messages.js";
import { t } from "./text.js";

const BY_TIME = SORTS.slice(0, 2);
const ROWS = "200";

export const contact = {
  load: async ({ rest: [id = ""], params }) => {
    const query = new URLSearchParams(params);
    query.append("field", `contactId=${id}`);
    if (!query.get("limit")) query.set("limit", ROWS);
    const [found, traffic] = await Promise.all([get(`/api/traces?${query}`), get(`/api/traffic?${query}`)]);
    return { ...found, traffic, id };
  },
  draw: (data, app) => {
    const asked = app.route;
    const { params } = asked;
    const { id } = data;
    const choose = (name, options, label, shown) => pick(name, label, options.map((each) => [each, shown(each)]), options.includes(params.get(name)) ? params.get(name) : options[0], (chosen) => app.go(changed(asked, { [name]: chosen === options[0] ? null : chosen })));
    const logs = compose("logs", new URLSearchParams({ field: `contactId=${id}` }));
    return [
      el("div", { class: "head" }, el("h1", { tabindex: "-1" }, t("contact.title", { id })), el("a", { href: logs, "data-key": "contact-logs" }, t("contact.logs"))),
      el("div", { class: "filters narrow" }, choose("which", WHICH, t("messages.which"), (each) => t(`messages.which.${each}`)), range(asked, app), choose("sort", BY_TIME, t("filter.sort"), (each) => t(`sort.${each}`))),
      histogram(data.traffic, (from, to) => app.go(changed(asked, { from: String(from), to: String(to), range: null }))),
      looked(data, asked),
      data.traces.length ? table(data.traces, { byDay: true, isCut: data.more }) : el("p", { class: "empty" }, t("contact.none")),
      more(data, data.traces.length, asked),
    ];
  },
  title: ({ id }) => t("contact.title", { id }),
};
