-- 'rock ''n'' roll'
SELECT q.profile_id, 'rock ''n'' roll' AS text FROM asked AS q SETTINGS join_use_nulls = 1, prefer_column_name_to_alias = 1;
