-- Failed tasks by result code, with its labels. Tasks that failed without a code are under 'none'.
-- :result_code The code as text, exactly as KooDrive sent it, or none.
-- :tasks The tasks that failed with this code.
-- :tenants The number of organisations that these tasks belong to.
-- :first_failed_at When a run first saw one of these tasks fail.
-- :last_failed_at When a run last saw one of these tasks fail.
SELECT
    COALESCE(f.result_code, 'none') AS result_code,
    r.title,
    r.category,
    r.action,
    COUNT(*) AS tasks,
    COUNT(DISTINCT f.tenant_id) AS tenants,
    MIN(f.status_changed_at) AS first_failed_at,
    MAX(f.status_changed_at) AS last_failed_at
FROM fact_task_status AS f
LEFT JOIN dim_result_code AS r ON r.result_code = f.result_code
WHERE f.status = 3
GROUP BY COALESCE(f.result_code, 'none'), r.title, r.category, r.action
