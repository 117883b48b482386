-- cluster('customers') = 'big spenders'
SELECT q.profile_id, COALESCE(TRANSFORM(ARRAY(try_variant_get(p.clusters, CONCAT('$["', 'customers', '"]'), 'variant')), v9 -> CASE WHEN schema_of_variant(v9) = 'STRING' THEN try_variant_get(v9, '$', 'string') END)[0] = 'big spenders', FALSE) AS truth FROM asked AS q LEFT JOIN profiles AS p ON p.profile_id = q.profile_id;
