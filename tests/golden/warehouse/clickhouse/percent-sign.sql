-- 50%
SELECT q.profile_id, CAST('0.5' AS Nullable(Decimal(38, 9))) AS number FROM asked AS q SETTINGS join_use_nulls = 1, prefer_column_name_to_alias = 1;
