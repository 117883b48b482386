CREATE TABLE suppression (
    address_hash INTEGER NOT NULL,
    topic TEXT NOT NULL,
    is_suppressed INTEGER NOT NULL,
    reason TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (address_hash, topic)
) WITHOUT ROWID;
CREATE TABLE progress (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
INSERT INTO progress VALUES ('offset', 0);
