-- Valid on SQLite and PostgreSQL. Times are TEXT, UTC, always nine digits of a second: they sort as they compare, lose nothing, and
-- mean the same on both. JSON is TEXT. A migration only ever adds: an older program may have the file open.

-- +goose Up
CREATE TABLE runs (
    id          TEXT PRIMARY KEY,
    app         TEXT NOT NULL,
    environment TEXT NOT NULL,
    operation   TEXT NOT NULL,
    status      TEXT NOT NULL,
    revision    BIGINT NOT NULL,
    source      TEXT NOT NULL,
    requester   TEXT NOT NULL,
    options     TEXT NOT NULL,
    no_changes  BOOLEAN NOT NULL,
    url         TEXT NOT NULL,
    error       TEXT,
    created_at  TEXT NOT NULL,
    updated_at  TEXT NOT NULL,
    last_seq    BIGINT NOT NULL DEFAULT 0,
    -- the lease: never written by SaveRun
    epoch       BIGINT NOT NULL DEFAULT 0,
    holder      TEXT,
    lease_until TEXT
);
CREATE INDEX runs_by_app ON runs (app, created_at);
CREATE INDEX runs_by_status ON runs (status);

-- Apart from runs, so that a fence or an event does not rewrite it.
CREATE TABLE manifests (
    run  TEXT PRIMARY KEY REFERENCES runs (id),
    body TEXT NOT NULL
);

CREATE TABLE plans (
    run      TEXT NOT NULL REFERENCES runs (id),
    revision BIGINT NOT NULL,
    body     TEXT NOT NULL,
    PRIMARY KEY (run, revision)
);

CREATE TABLE steps (
    run       TEXT NOT NULL REFERENCES runs (id),
    revision  BIGINT NOT NULL,
    key       TEXT NOT NULL,
    state     TEXT NOT NULL,
    unknown   BOOLEAN NOT NULL,
    attempt   BIGINT NOT NULL,
    basis     TEXT,
    receipt   TEXT,
    since     TEXT NOT NULL,
    error     TEXT,
    intent_at TEXT,
    ended_at  TEXT,
    PRIMARY KEY (run, revision, key)
);

CREATE TABLE approvals (
    id         TEXT PRIMARY KEY,
    run        TEXT NOT NULL REFERENCES runs (id),
    gate       TEXT NOT NULL,
    subject    TEXT NOT NULL,
    content    TEXT,
    state      TEXT NOT NULL,
    decided_by TEXT,
    how        TEXT NOT NULL,
    reason     TEXT NOT NULL,
    void       TEXT,
    created_at TEXT NOT NULL,
    decided_at TEXT,
    expires_at TEXT
);
CREATE INDEX approvals_by_run ON approvals (run, created_at);

CREATE TABLE events (
    run  TEXT NOT NULL REFERENCES runs (id),
    seq  BIGINT NOT NULL,
    at   TEXT NOT NULL,
    type TEXT NOT NULL,
    step TEXT NOT NULL,
    data TEXT,
    PRIMARY KEY (run, seq)
);

CREATE TABLE receipts (
    app     TEXT NOT NULL,
    address TEXT NOT NULL,
    body    TEXT NOT NULL,
    PRIMARY KEY (app, address)
);

CREATE TABLE artifacts (
    name TEXT PRIMARY KEY,
    body BYTEA NOT NULL
);

CREATE TABLE due (
    run TEXT PRIMARY KEY REFERENCES runs (id),
    at  TEXT NOT NULL
);
CREATE INDEX due_by_at ON due (at);
