-- Which result codes did runs see for the first time, and in how many tasks?
-- :since (time, default 7d before now): The earliest time at which a listed code was new.
SELECT
    r.result_code,
    r.title,
    r.is_documented,
    r.first_seen_at,
    COUNT(f.task_id) AS tasks,
    COUNT(DISTINCT f.tenant_id) AS tenants,
    MIN(f.task_id) AS first_task_id
FROM dim_result_code AS r
LEFT JOIN fact_task_status AS f ON f.result_code = r.result_code
WHERE r.first_seen_at >= :since
GROUP BY r.result_code, r.title, r.is_documented, r.first_seen_at
ORDER BY r.first_seen_at DESC, r.result_code
