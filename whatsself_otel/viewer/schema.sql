-- The viewer's store. Spans and log records are kept as the bytes that came; what is searched stands beside them.

CREATE TABLE IF NOT EXISTS resources (
    id INTEGER PRIMARY KEY,
    service TEXT NOT NULL,
    body BLOB NOT NULL UNIQUE
);

CREATE TABLE IF NOT EXISTS traces (
    id INTEGER PRIMARY KEY, -- in order of arrival: the oldest goes first
    trace_id TEXT NOT NULL UNIQUE,
    received_s REAL NOT NULL,
    start_ns INTEGER NOT NULL,
    end_ns INTEGER NOT NULL,
    name TEXT NOT NULL DEFAULT '', -- of its root span, once that is there
    service TEXT NOT NULL DEFAULT '',
    request_id TEXT,
    contact_id TEXT,
    message_id TEXT, -- the first one: what started it
    spans INTEGER NOT NULL DEFAULT 0,
    logs INTEGER NOT NULL DEFAULT 0,
    errors INTEGER NOT NULL DEFAULT 0, -- each counted where it began
    signs TEXT NOT NULL DEFAULT '{}', -- what became of the message; the columns below repeat what is narrowed down by
    outcome TEXT NOT NULL DEFAULT '',
    direction TEXT NOT NULL DEFAULT '',
    kind TEXT NOT NULL DEFAULT '',
    session TEXT NOT NULL DEFAULT '',
    provider TEXT NOT NULL DEFAULT '',
    reason TEXT NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS traces_by_start ON traces (start_ns);

-- The trace in which a message is seen for the first time: its home.
CREATE TABLE IF NOT EXISTS homes (
    message_id TEXT PRIMARY KEY,
    trace_id TEXT NOT NULL,
    start_ns INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS homes_by_trace ON homes (trace_id);

CREATE TABLE IF NOT EXISTS fields (
    id INTEGER PRIMARY KEY,
    value TEXT NOT NULL,
    name TEXT NOT NULL,
    UNIQUE (value, name)
);
CREATE INDEX IF NOT EXISTS fields_by_name ON fields (name, value);

CREATE TABLE IF NOT EXISTS trace_fields (
    field INTEGER NOT NULL,
    trace INTEGER NOT NULL,
    PRIMARY KEY (field, trace)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS trace_fields_by_trace ON trace_fields (trace);

CREATE TABLE IF NOT EXISTS spans (
    id INTEGER PRIMARY KEY,
    trace_id TEXT NOT NULL,
    span_id TEXT NOT NULL,
    parent_id TEXT NOT NULL, -- empty for a root
    start_ns INTEGER NOT NULL,
    is_error INTEGER NOT NULL,
    scope TEXT NOT NULL,
    resource INTEGER NOT NULL,
    body BLOB NOT NULL,
    UNIQUE (trace_id, span_id)
);

CREATE TABLE IF NOT EXISTS logs (
    id INTEGER PRIMARY KEY,
    received_s REAL NOT NULL,
    time_ns INTEGER NOT NULL,
    trace_id TEXT NOT NULL, -- empty for a line of no trace
    span_id TEXT NOT NULL,
    severity INTEGER NOT NULL,
    scope TEXT NOT NULL,
    resource INTEGER NOT NULL,
    text TEXT NOT NULL, -- what is searched: message and fields, without case and accents
    body BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS logs_by_trace ON logs (trace_id, time_ns);
CREATE INDEX IF NOT EXISTS logs_by_time ON logs (time_ns);
CREATE INDEX IF NOT EXISTS logs_by_severity ON logs (severity, time_ns);

CREATE TABLE IF NOT EXISTS series (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL, -- as Prometheus has it
    kind TEXT NOT NULL,
    unit TEXT NOT NULL,
    labels TEXT NOT NULL,
    service TEXT NOT NULL,
    instance TEXT NOT NULL,
    UNIQUE (name, labels, service, instance)
);

CREATE TABLE IF NOT EXISTS points (
    id INTEGER PRIMARY KEY,
    series INTEGER NOT NULL,
    time_s REAL NOT NULL,
    received_s REAL NOT NULL,
    value REAL NOT NULL, -- a histogram's count
    total REAL, -- a histogram's sum
    buckets TEXT, -- a histogram's bounds and counts
    UNIQUE (series, time_s)
);

CREATE TABLE IF NOT EXISTS exemplars (
    series INTEGER NOT NULL,
    trace_id TEXT NOT NULL,
    time_s REAL NOT NULL,
    value REAL NOT NULL,
    PRIMARY KEY (series, trace_id)
) WITHOUT ROWID;
