-- Failed tasks by tenant, with its name and its share of failures. Tasks without a tenant are under 'none'.
-- :tenant_id The organisation as KooDrive names it, or none.
-- :tasks The tasks of this tenant that failed.
-- :ended The tasks of this tenant that have ended, whether they succeeded or failed.
-- :failed_percent_of_ended The percentage of failed tasks among those that have ended.
-- :result_codes The number of different result codes of the failed tasks.
-- :first_failed_at When a run first saw one of these tasks fail.
-- :last_failed_at When a run last saw one of these tasks fail.
SELECT
    COALESCE(f.tenant_id, 'none') AS tenant_id,
    t.tenant_name,
    t.category,
    t.action,
    COUNT(CASE WHEN f.status = 3 THEN 1 END) AS tasks,
    COUNT(*) AS ended,
    CAST(ROUND(100.0 * CAST(COUNT(CASE WHEN f.status = 3 THEN 1 END) AS DECIMAL(18, 0))
        / CAST(COUNT(*) AS DECIMAL(18, 0)), 2) AS DOUBLE PRECISION) AS failed_percent_of_ended,
    COUNT(DISTINCT CASE WHEN f.status = 3 THEN COALESCE(f.result_code, 'none') END) AS result_codes,
    MIN(CASE WHEN f.status = 3 THEN f.status_changed_at END) AS first_failed_at,
    MAX(CASE WHEN f.status = 3 THEN f.status_changed_at END) AS last_failed_at
FROM fact_task_status AS f
LEFT JOIN dim_tenant AS t ON t.tenant_id = f.tenant_id
WHERE f.status IN (2, 3)
GROUP BY COALESCE(f.tenant_id, 'none'), t.tenant_name, t.category, t.action
HAVING COUNT(CASE WHEN f.status = 3 THEN 1 END) > 0
