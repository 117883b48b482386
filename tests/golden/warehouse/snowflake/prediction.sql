-- prediction('churn') > 0.7
SELECT q.profile_id, COALESCE(tb_number(tb_get(p.predictions, 'churn')) > 0.7, FALSE) AS truth FROM asked AS q LEFT JOIN profiles AS p ON p.profile_id = q.profile_id;
