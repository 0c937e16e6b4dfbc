// Reads registry/vectors in another language, after docs/conventions.md; it shares no line with the package.
//
//     node tests/whatsapp/reader.mjs registry/vectors
//
// It makes the metrics of every vector from its events, and the events of the Cloud API's messages from their payloads.
// It prints how many it read and each difference; the exit status is 1 if there is one.

import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";

const FRESH_S = 300;

/** What one webhook records in a process that has seen nothing before. */
class Metrics {
  constructor(provider, receivedAt, events) {
    this.provider = provider;
    this.clock = Math.max(0, ...events.map((event) => event.at ?? 0)) || receivedAt;
    this.counted = {};
    this.sessions = new Map();
    this.facts = new Set();
    for (const event of events) this.record(event);
  }

  /** Series and values; of a set of states only the present one. */
  get all() {
    const found = { ...this.counted };
    for (const [session, { state, since, qr }] of this.sessions) {
      found[series("whatsapp_session_state", { session, state })] = 1;
      if (state === "connected") found[series("whatsapp_session_connected", { session })] = 1;
      else found[series("whatsapp_session_down_since_timestamp_seconds", { session })] = since;
      if (qr) found[series("whatsapp_qr_issued_timestamp_seconds", { session })] = qr;
    }
    return found;
  }

  add(name, labels) {
    const key = series(name, labels);
    this.counted[key] = (this.counted[key] ?? 0) + 1;
  }

  isNew(fact) {
    if (this.facts.has(fact)) return false;
    this.facts.add(fact);
    return true;
  }

  record(event) {
    const { provider } = this;
    this.add("webhook_events_total", { provider, event: event.name });
    if (event.history) return;
    if (event.at && event.kind !== "webhook_unknown") this.add("webhook_lag_seconds_count", { provider });
    if (["message_received", "message_accepted", "delivery_status"].includes(event.kind)) this.noteLife(event);
    this[event.kind]?.(event, event.session ?? "main", event.session ?? event.account ?? "main");
  }

  noteLife({ session, at }) {
    const isFresh = at === undefined || this.clock - at < FRESH_S;
    if (session && isFresh && !this.sessions.has(session)) this.sessions.set(session, { state: "connected" });
  }

  message_received({ chat, content }, session) {
    if (isConversation(chat)) this.add("messages_inbound_total", { kind: content, session });
  }

  message_accepted({ chat, author, message_ref }, session) {
    if (!isConversation(chat) || !this.isNew(`accepted ${message_ref}`)) return;
    this.add("messages_outbound_total", { origin: author === "phone" ? "manual" : "reply", session });
  }

  delivery_status(event, session) {
    const { status, message_ref: message, reason, fault } = event;
    if (message && status !== "deleted" && this.isNew(`accepted ${message}`)) {
      if (isConversation(event.chat)) this.add("messages_outbound_total", { origin: "reply", session });
    }
    if (status === "failed") {
      this.add("messages_outbound_failed_total", { reason, fault, stage: "delivery", session });
    } else if (status === "delivered" || status === "read") {
      this.add("messages_delivered_total", { status, session });
    }
    if (event.billable && this.isNew(`billed ${message}`)) {
      this.add("messages_billable_total", { category: event.category });
    }
  }

  session_changed({ state, reason, at }, _, session) {
    const before = this.sessions.get(session)?.state;
    const isLoss = before === "connected" || (!before && !["qr_pending", "starting"].includes(state));
    if (reason && isLoss) this.add("whatsapp_session_disconnects_total", { reason, session });
    this.change(session, state, at);
  }

  account_restricted({ state, at }, _, session) {
    if (state === "restricted" || state === "banned") {
      this.add("whatsapp_session_disconnects_total", { reason: "banned", session });
      this.change(session, state, at);
    } else if (state === "connected") this.change(session, state, at);
  }

  qr_issued({ at }, session) {
    this.change(session, "qr_pending", at);
    this.sessions.get(session).qr = at ?? this.clock;
  }

  pairing_code_issued(event, session) {
    this.qr_issued(event, session);
  }

  change(session, state, at) {
    const since = this.sessions.get(session)?.since ?? at ?? this.clock;
    this.sessions.set(session, { state, since });
  }

  session_retired(_, session) {
    this.sessions.delete(session);
  }

  quality_changed({ rating, template }, _, session) {
    if (!template) this.add("whatsapp_quality_rating", { session, rating });
  }

  limit_changed({ per_day }, _, session) {
    this.counted[series("whatsapp_messaging_limit", { session })] = per_day;
  }

  template_status_changed({ template, state }) {
    this.add("whatsapp_template_state", { template, state });
  }

  call_event({ direction = "inbound", outcome }) {
    this.add("calls_total", { direction, outcome });
  }

  consent_changed({ action }) {
    this.add("contact_consent_total", { action });
  }
}

function series(name, labels) {
  const pairs = Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1));
  return `${name}{${pairs.map(([key, value]) => `${key}="${value}"`).join(",")}}`;
}

function isConversation(chat) {
  return [undefined, "person", "group"].includes(chat);
}

// The Cloud API's change "messages": messages of contacts that hold content, and statuses of ours.

const CONTENT = {
  ...Object.fromEntries(
    ["text", "image", "audio", "video", "document", "sticker", "location", "interactive"].map((kind) => [kind, kind]),
  ),
  contacts: "contact",
  button: "interactive",
  order: "other",
};
const NO_CONTENT = ["call_permission_reply"];

function* cloudApiEvents({ entry }) {
  for (const { id: account, changes } of entry) {
    for (const { value } of changes) {
      const common = { session: value.metadata.phone_number_id, account };
      for (const message of value.messages ?? []) {
        yield {
          kind: "message_received",
          name: "messages",
          ...common,
          at: Number(message.timestamp),
          chat: message.group_id ? "group" : "person",
          direction: "inbound",
          author: "contact",
          message_ref: messageRef(message.id),
          content: CONTENT[message.type],
        };
      }
      for (const status of value.statuses ?? []) {
        yield {
          kind: "delivery_status",
          name: "statuses",
          ...common,
          at: Number(status.timestamp),
          chat: status.recipient_type === "group" ? "group" : "person",
          direction: "outbound",
          author: "api",
          message_ref: messageRef(status.id),
          status: status.status,
          ...(status.pricing?.billable ? { billable: true } : {}),
          ...(status.pricing ? { category: category(status.pricing.category) } : {}),
        };
      }
    }
  }
}

function category(name) {
  const first = name.split("_")[0];
  return ["marketing", "utility", "authentication", "service"].includes(first) ? first : "other";
}

function messageRef(wamid) {
  return `wamid:${createHash("sha256").update(wamid.replace(/^wamid[.]/, "").replace(/=+$/, "")).digest("hex").slice(0, 24)}`;
}

function isRead({ entry }) {
  return entry.every(({ changes }) =>
    changes.every(
      ({ field, value }) =>
        field === "messages" &&
        !value.errors &&
        (value.messages ?? []).every(
          ({ type, interactive, errors }) => type in CONTENT && !errors && !NO_CONTENT.includes(interactive?.type),
        ) &&
        (value.statuses ?? []).every(({ status }) => ["sent", "delivered", "read", "played", "deleted"].includes(status)),
    ),
  );
}

const [folder] = process.argv.slice(2);
const read = { events: 0, metrics: 0, different: 0 };

function compare(what, name, got, expected) {
  read[what] += 1;
  if (isDeepStrictEqual(got, expected)) return;
  read.different += 1;
  console.log(`${what} of ${name} differ: ${JSON.stringify(got)} is not ${JSON.stringify(expected)}`);
}

for (const file of readdirSync(`${folder}/expected`)) {
  const { version, provider, receivedAt, vectors } = JSON.parse(readFileSync(`${folder}/expected/${file}`, "utf8"));
  if (version !== 1) throw new Error(`${file} has version ${version}, this reader knows 1`);
  const payloads = JSON.parse(readFileSync(`${folder}/payloads/${file}`, "utf8"));
  for (const [name, { events, metrics }] of Object.entries(vectors)) {
    compare("metrics", `${provider} ${name}`, new Metrics(provider, receivedAt, events).all, metrics);
    const { payload } = payloads[name];
    if (provider === "cloud_api" && isRead(payload)) {
      compare("events", `${provider} ${name}`, [...cloudApiEvents(payload)], events);
    }
  }
}
console.log(JSON.stringify(read));
process.exitCode = read.different ? 1 : 0;
