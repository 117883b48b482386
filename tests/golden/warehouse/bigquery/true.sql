-- true
SELECT q.profile_id, TRUE AS truth FROM asked AS q;
