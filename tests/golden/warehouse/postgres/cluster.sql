-- cluster('customers') = 'big spenders'
SELECT q.profile_id, COALESCE(pg_temp.tb_text(pg_temp.tb_get(p.clusters, 'customers')) = 'big spenders', FALSE) AS truth FROM asked AS q LEFT JOIN profiles AS p ON p.profile_id = q.profile_id;
