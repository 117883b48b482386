INSERT INTO profile (id, partition, deadline, is_merged, state) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET
    deadline = excluded.deadline,
    is_merged = excluded.is_merged,
    state = excluded.state
