-- cluster('customers') = 'big spenders'
SELECT q.profile_id, COALESCE(tb_text(tb_get(p.clusters, 'customers')) = 'big spenders', FALSE) AS truth FROM asked AS q LEFT JOIN profiles AS p ON p.profile_id = q.profile_id SETTINGS join_use_nulls = 1, prefer_column_name_to_alias = 1;
