-- event.properties.total > 50
SELECT q.profile_id, COALESCE(60 > 50, FALSE) AS truth FROM asked AS q;
