CREATE TABLE sweep (
    partition INTEGER PRIMARY KEY,
    offset INTEGER NOT NULL,
    before TEXT NOT NULL,
    after INTEGER NOT NULL,
    tick INTEGER NOT NULL
);
CREATE TABLE swept (profile_id INTEGER PRIMARY KEY, partition INTEGER NOT NULL);
