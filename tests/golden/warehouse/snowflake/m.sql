-- since(page_viewed) > 120m
WITH h1 AS (SELECT e.profile_id, tb_micros(MAX(e.timestamp)) AS latest_at FROM events AS e WHERE e.known_at <= CAST('2026-03-01 12:00:00' AS TIMESTAMP) AND e.event = 'page_viewed' GROUP BY e.profile_id) SELECT q.profile_id, COALESCE((1772366400000000 - (h1.latest_at)) > 7200000000, FALSE) AS truth FROM asked AS q LEFT JOIN h1 AS h1 ON h1.profile_id = q.profile_id;
