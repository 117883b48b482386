-- true
SELECT q.profile_id, TRUE AS truth FROM asked AS q SETTINGS join_use_nulls = 1, prefer_column_name_to_alias = 1;
