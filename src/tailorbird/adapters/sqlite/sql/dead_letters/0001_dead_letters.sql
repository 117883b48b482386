CREATE TABLE dead_letter (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    source TEXT NOT NULL,
    rule TEXT NOT NULL,
    field TEXT NOT NULL,
    detail TEXT NOT NULL,
    raw BLOB NOT NULL
);
