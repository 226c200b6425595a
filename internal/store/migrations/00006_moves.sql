-- How far a step's move of production had come when it was looked at last: JSON, NULL for a step that moves nothing.

-- +goose Up
ALTER TABLE steps ADD COLUMN move TEXT;
