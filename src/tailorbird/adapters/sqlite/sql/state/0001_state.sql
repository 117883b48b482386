CREATE TABLE profile (
    id INTEGER PRIMARY KEY,
    partition INTEGER NOT NULL,
    deadline INTEGER,
    is_merged INTEGER NOT NULL,
    state BLOB NOT NULL
);
CREATE INDEX profile_deadline ON profile (partition, deadline) WHERE deadline IS NOT NULL;
CREATE INDEX profile_partition ON profile (partition, id);

CREATE TABLE segment (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    size INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE membership (
    segment_id INTEGER NOT NULL,
    profile_id INTEGER NOT NULL,
    since INTEGER NOT NULL,
    cause TEXT NOT NULL,
    PRIMARY KEY (segment_id, profile_id)
) WITHOUT ROWID;

CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    effect_id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    partition INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    profile_id INTEGER NOT NULL,
    body BLOB NOT NULL
);
CREATE INDEX outbox_kind ON outbox (kind, seq);

CREATE TABLE progress (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
INSERT INTO progress VALUES ('offset', 0), ('profiles', 0);
CREATE TABLE version (partition INTEGER PRIMARY KEY, version TEXT NOT NULL);
CREATE TABLE poison (offset INTEGER PRIMARY KEY, error TEXT NOT NULL);
