-- What was done last to a resource, and which steps have no known outcome: found without a look at every run of an app that has many.

-- +goose Up
CREATE INDEX steps_by_key ON steps (key, state, ended_at);
CREATE INDEX steps_by_state ON steps (state);
