CREATE TABLE version (
    id TEXT PRIMARY KEY,
    created_at INTEGER NOT NULL,
    files BLOB NOT NULL
);
CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE access_key (hash TEXT PRIMARY KEY, role TEXT NOT NULL);
