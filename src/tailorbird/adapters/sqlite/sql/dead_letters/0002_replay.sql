-- What a replay needs beside the bytes: the call that the path named, when the client says that it
-- sent it, whether the bytes were cut. And what became of letters that are here no more.
ALTER TABLE dead_letter ADD COLUMN call TEXT NOT NULL DEFAULT '';
ALTER TABLE dead_letter ADD COLUMN sent_at INTEGER;
ALTER TABLE dead_letter ADD COLUMN value TEXT NOT NULL DEFAULT '';
ALTER TABLE dead_letter ADD COLUMN is_cut INTEGER NOT NULL DEFAULT 0;
CREATE INDEX dead_letter_group ON dead_letter (rule, field, source, at);
CREATE TABLE tally (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
INSERT INTO tally SELECT 'bytes', coalesce(sum(length(raw)), 0) FROM dead_letter;
INSERT INTO tally SELECT 'kept', count(*) FROM dead_letter;
