-- What an approval binds beside its subject (the policy that it was asked under, and a nonce of its own), and who has approved: JSON, NULL for
-- nobody. Which program worked on a run.

-- +goose Up
ALTER TABLE approvals ADD COLUMN policy TEXT NOT NULL DEFAULT '';
ALTER TABLE approvals ADD COLUMN nonce TEXT NOT NULL DEFAULT '';
ALTER TABLE approvals ADD COLUMN need INTEGER NOT NULL DEFAULT 0;
ALTER TABLE approvals ADD COLUMN votes TEXT;
ALTER TABLE approvals ADD COLUMN differs TEXT;
ALTER TABLE runs ADD COLUMN tool TEXT NOT NULL DEFAULT '';
