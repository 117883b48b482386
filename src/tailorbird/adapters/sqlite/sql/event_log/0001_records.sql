CREATE TABLE record (
    offset INTEGER PRIMARY KEY,
    partition INTEGER NOT NULL,
    now INTEGER NOT NULL,
    kind TEXT NOT NULL,
    profile_id INTEGER NOT NULL,
    dedup INTEGER NOT NULL,
    body BLOB NOT NULL
);
