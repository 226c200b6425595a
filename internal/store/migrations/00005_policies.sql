-- The policy that an app's approvals are given under, by the digest of its text, which is an artifact.

-- +goose Up
CREATE TABLE policies (
    app    TEXT PRIMARY KEY,
    digest TEXT NOT NULL
);
