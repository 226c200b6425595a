-- The messages of providers that were taken, by digest, so that none is taken twice.

-- +goose Up
CREATE TABLE deliveries (
    id TEXT PRIMARY KEY,
    at TEXT NOT NULL
);
CREATE INDEX deliveries_by_at ON deliveries (at);
