-- now >= timestamp('2026-03-01')
SELECT q.profile_id, COALESCE(1772366400000000 >= 1772323200000000, FALSE) AS truth FROM asked AS q SETTINGS join_use_nulls = 1, prefer_column_name_to_alias = 1;
