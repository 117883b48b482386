CREATE TABLE message (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    effect_id TEXT NOT NULL UNIQUE,
    state INTEGER NOT NULL,
    profile_id INTEGER NOT NULL,
    journey TEXT NOT NULL,
    step TEXT NOT NULL,
    template TEXT NOT NULL,
    kind TEXT NOT NULL,
    topic TEXT NOT NULL,
    due_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    effect BLOB NOT NULL,
    status TEXT NOT NULL,
    address TEXT NOT NULL,
    subject TEXT NOT NULL,
    reason TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    next_attempt_at INTEGER NOT NULL,
    finished_at INTEGER NOT NULL,
    reported INTEGER NOT NULL,
    record BLOB NOT NULL
);
CREATE INDEX message_waiting ON message (next_attempt_at) WHERE status IN ('intent', 'held');
CREATE INDEX message_unreported ON message (seq)
WHERE NOT reported AND status NOT IN ('intent', 'held', 'handing_over');
CREATE INDEX message_handing_over ON message (seq) WHERE status = 'handing_over';
CREATE INDEX message_profile ON message (profile_id, seq);
CREATE INDEX message_address ON message (address, finished_at) WHERE kind = 'marketing';

CREATE TABLE tally (
    journey TEXT NOT NULL,
    status TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (journey, status)
) WITHOUT ROWID;
CREATE TRIGGER tally_insert AFTER INSERT ON message BEGIN
    INSERT INTO tally VALUES (NEW.journey, NEW.status, 1)
    ON CONFLICT DO UPDATE SET count = count + 1;
END;
CREATE TRIGGER tally_update AFTER UPDATE OF status ON message WHEN OLD.status != NEW.status BEGIN
    UPDATE tally SET count = count - 1 WHERE journey = OLD.journey AND status = OLD.status;
    INSERT INTO tally VALUES (NEW.journey, NEW.status, 1)
    ON CONFLICT DO UPDATE SET count = count + 1;
END;

CREATE TABLE cursor (state INTEGER PRIMARY KEY, seq INTEGER NOT NULL);
CREATE TABLE rendering (key TEXT PRIMARY KEY, data BLOB NOT NULL);
