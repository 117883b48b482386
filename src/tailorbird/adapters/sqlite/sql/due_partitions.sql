-- One seek of the index for each partition: grouping would walk all deadlines, 50 times a second.
WITH RECURSIVE number (partition) AS (
    SELECT 0 UNION ALL SELECT partition + 1 FROM number WHERE partition + 1 < ?
)
SELECT partition, deadline FROM (
    SELECT partition, (
        SELECT min(deadline) FROM profile
        WHERE profile.partition = number.partition AND deadline IS NOT NULL
    ) AS deadline FROM number
) WHERE deadline <= ?
