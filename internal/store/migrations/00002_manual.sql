-- Who does a manual step, and what its last check found: JSON, NULL for a step that Slipway does.

-- +goose Up
ALTER TABLE steps ADD COLUMN taken TEXT;
ALTER TABLE steps ADD COLUMN evidence TEXT;
