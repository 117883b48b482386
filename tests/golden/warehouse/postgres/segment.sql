-- in segment('buyers')
WITH h1 AS (SELECT e.profile_id, COUNT(*) AS n FROM events AS e WHERE e.known_at <= CAST('2026-03-01 12:00:00' AS TIMESTAMP) AND e.event = 'order_completed' GROUP BY e.profile_id) SELECT q.profile_id, COALESCE(COALESCE(COALESCE(h1.n, 0) >= 2, FALSE), FALSE) AS truth FROM asked AS q LEFT JOIN h1 AS h1 ON h1.profile_id = q.profile_id;
