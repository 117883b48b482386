INSERT INTO suppression (address_hash, topic, is_suppressed, reason, at) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (address_hash, topic) DO UPDATE SET
    is_suppressed = excluded.is_suppressed,
    reason = excluded.reason,
    at = excluded.at
WHERE excluded.at >= at
