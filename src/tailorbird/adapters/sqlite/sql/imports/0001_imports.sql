CREATE TABLE import (
    key TEXT PRIMARY KEY,
    progress BLOB NOT NULL
);
-- Deduplication keys of all that imports have brought.
CREATE TABLE brought (key INTEGER PRIMARY KEY);
