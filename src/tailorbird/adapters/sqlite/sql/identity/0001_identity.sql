CREATE TABLE identifier (
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    profile_id INTEGER NOT NULL,
    PRIMARY KEY (kind, value)
) WITHOUT ROWID;
CREATE INDEX identifier_profile ON identifier (profile_id);
CREATE TABLE profile (id INTEGER PRIMARY KEY, since INTEGER NOT NULL);
CREATE TABLE redirect (loser_id INTEGER PRIMARY KEY, winner_id INTEGER NOT NULL);
CREATE TABLE progress (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
INSERT INTO progress VALUES ('offset', 0);
