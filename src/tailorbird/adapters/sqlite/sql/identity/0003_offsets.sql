-- Which record linked an identifier or merged a profile. Read anew from the log, from its start.
ALTER TABLE identifier ADD COLUMN offset INTEGER NOT NULL DEFAULT 0;
ALTER TABLE redirect ADD COLUMN offset INTEGER NOT NULL DEFAULT 0;
CREATE INDEX redirect_winner ON redirect (winner_id);
UPDATE progress SET value = 0 WHERE name = 'offset';
