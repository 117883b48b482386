-- 'rock ''n'' roll'
SELECT q.profile_id, 'rock \'n\' roll' AS text FROM asked AS q;
