-- now >= timestamp('2026-03-01')
SELECT q.profile_id, COALESCE(1772366400000000 >= 1772323200000000, FALSE) AS truth FROM asked AS q;
