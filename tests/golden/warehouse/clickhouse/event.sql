-- event.properties.total > 50
SELECT q.profile_id, COALESCE(60 > 50, FALSE) AS truth FROM asked AS q SETTINGS join_use_nulls = 1, prefer_column_name_to_alias = 1;
