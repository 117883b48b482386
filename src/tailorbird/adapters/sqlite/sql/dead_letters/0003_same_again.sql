-- What makes a replayed item the same as the one that came: its message id where it named none, and
-- whether it was history.
ALTER TABLE dead_letter ADD COLUMN fresh_id TEXT NOT NULL DEFAULT '';
ALTER TABLE dead_letter ADD COLUMN is_historical INTEGER NOT NULL DEFAULT 0;
