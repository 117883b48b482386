-- 50%
SELECT q.profile_id, 0.5 AS number FROM asked AS q;
