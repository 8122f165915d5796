-- Which tasks are behind a number: with which status, code and tenant, in which night, or of which days?
-- :status_name (text, default FAILED): The status. Empty: any.
-- :result_code (text, optional): The result code, or none for tasks without one.
-- :tenant (text, optional): The ID or the name of the tenant, or none for tasks without one.
-- :since (time, optional): The start of the night: each task counts with its last change from then on.
-- :until (end, optional): The end of the night.
-- :submitted_since (time, optional): The earliest submission.
-- :submitted_until (end, optional): The end of the time of submission.
WITH news AS (
    -- The last change of each task in the night, or of all times.
    SELECT
        c.task_id,
        c.status,
        c.result_code,
        c.observed_at,
        ROW_NUMBER() OVER (PARTITION BY c.task_id ORDER BY c.observed_at DESC) AS turn
    FROM fact_task_status_change AS c
    WHERE (:since IS NULL OR c.observed_at >= :since) AND (:until IS NULL OR c.observed_at < :until)
)
SELECT
    n.task_id,
    f.task_name,
    f.tenant_id,
    t.tenant_name,
    COALESCE(s.status_name, 'UNKNOWN') AS status_name,
    n.result_code,
    r.title,
    f.submitted_at,
    n.observed_at
FROM news AS n
JOIN fact_task_status AS f ON f.task_id = n.task_id
LEFT JOIN dim_task_status AS s ON s.status = n.status
LEFT JOIN dim_result_code AS r ON r.result_code = n.result_code
LEFT JOIN dim_tenant AS t ON t.tenant_id = f.tenant_id
WHERE n.turn = 1
    AND (:status_name = '' OR COALESCE(s.status_name, 'UNKNOWN') = :status_name)
    AND (:result_code = '' OR COALESCE(n.result_code, 'none') = :result_code)
    AND (:tenant = '' OR COALESCE(f.tenant_id, 'none') = :tenant OR t.tenant_name = :tenant)
    AND (:submitted_since IS NULL OR f.submitted_at >= :submitted_since)
    AND (:submitted_until IS NULL OR f.submitted_at < :submitted_until)
ORDER BY n.observed_at DESC, n.task_id
