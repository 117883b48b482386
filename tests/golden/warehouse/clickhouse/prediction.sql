-- prediction('churn') > 0.7
SELECT q.profile_id, COALESCE(tb_number(tb_get(p.predictions, 'churn')) > CAST('0.7' AS Nullable(Decimal(38, 9))), FALSE) AS truth FROM asked AS q LEFT JOIN profiles AS p ON p.profile_id = q.profile_id SETTINGS join_use_nulls = 1, prefer_column_name_to_alias = 1;
