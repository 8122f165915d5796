-- What has changed since yesterday? Every change that a run has seen, the newest first.
-- :since (time, default 24h before now): The earliest listed change.
-- :until (end, default now): Later changes are not listed.
SELECT
    c.observed_at,
    c.task_id,
    f.task_name,
    f.tenant_id,
    t.tenant_name,
    CASE WHEN c.previous_status IS NOT NULL THEN COALESCE(p.status_name, 'UNKNOWN') END AS previous_status_name,
    COALESCE(s.status_name, 'UNKNOWN') AS status_name,
    c.previous_result_code,
    c.result_code
FROM fact_task_status_change AS c
JOIN fact_task_status AS f ON f.task_id = c.task_id
LEFT JOIN dim_task_status AS s ON s.status = c.status
LEFT JOIN dim_tenant AS t ON t.tenant_id = f.tenant_id
LEFT JOIN dim_task_status AS p ON p.status = c.previous_status
WHERE c.observed_at >= :since AND c.observed_at < :until
ORDER BY c.observed_at DESC, c.task_id
