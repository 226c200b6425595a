-- How far a step's build, or its move of production, had come when it was looked at last: JSON, NULL where there is nothing to tell.

-- +goose Up
ALTER TABLE steps ADD COLUMN progress TEXT;
