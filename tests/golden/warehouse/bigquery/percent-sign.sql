-- 50%
SELECT q.profile_id, CAST('0.5' AS NUMERIC) AS number FROM asked AS q;
