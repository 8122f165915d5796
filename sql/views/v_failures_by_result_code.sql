-- Failed tasks by result code, with what is known of it; those that failed without a code stand under 'none'.
-- :result_code The code, as text, exactly as it came, or none.
-- :tasks Tasks that failed with it.
-- :tenants How many organisations these tasks belong to.
-- :first_failed_at When the first of them was seen to have failed.
-- :last_failed_at When the last of them was.
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
