-- Which tasks failed last night, by result code and tenant, and how many failed in the time before?
-- :since (time, default last night): The start of the night, as in the report.
-- :until (end, default 24h after since): The end of the night.
-- :before (time, default 24h before since): The start of the time to compare with, which ends when the night starts.
WITH news AS (
    -- The last change of each task in either time.
    SELECT
        c.task_id,
        c.status,
        c.result_code,
        CASE WHEN c.observed_at >= :since THEN 1 ELSE 0 END AS in_night,
        ROW_NUMBER() OVER (
            PARTITION BY c.task_id, CASE WHEN c.observed_at >= :since THEN 1 ELSE 0 END
            ORDER BY c.observed_at DESC
        ) AS turn
    FROM fact_task_status_change AS c
    WHERE c.observed_at >= :before AND c.observed_at < :until
)
SELECT
    COALESCE(n.result_code, 'none') AS result_code,
    r.title,
    r.category,
    r.action,
    f.tenant_id,
    t.tenant_name,
    SUM(n.in_night) AS tasks,
    SUM(1 - n.in_night) AS tasks_before
FROM news AS n
JOIN fact_task_status AS f ON f.task_id = n.task_id
LEFT JOIN dim_result_code AS r ON r.result_code = n.result_code
LEFT JOIN dim_tenant AS t ON t.tenant_id = f.tenant_id
WHERE n.turn = 1 AND n.status = 3
GROUP BY COALESCE(n.result_code, 'none'), r.title, r.category, r.action, f.tenant_id, t.tenant_name
ORDER BY tasks DESC, tasks_before DESC, result_code, COALESCE(f.tenant_id, '')
