-- How many hours pass from a task's submission until a run sees its end, by type and status?
-- :since (time, default 7d before now): The earliest counted end.
-- :until (end, default now): Later ends are not counted.
WITH ended AS (
    SELECT
        COALESCE(t.task_type_name, 'UNKNOWN') AS task_type_name,
        s.status_name,
        CAST(ROUND(TIMESTAMPDIFF(MICROSECOND, f.submitted_at, f.status_changed_at) / 3600000000, 4) AS DOUBLE) AS hours
    FROM fact_task_status AS f
    JOIN dim_task_status AS s ON s.status = f.status
    LEFT JOIN dim_task_type AS t ON t.task_type = f.task_type
    WHERE s.is_terminal
        AND f.submitted_at IS NOT NULL
        AND f.status_changed_at >= :since
        AND f.status_changed_at < :until
),
ranked AS (
    SELECT
        task_type_name,
        status_name,
        hours,
        ROW_NUMBER() OVER (PARTITION BY task_type_name, status_name ORDER BY hours) AS turn,
        COUNT(*) OVER (PARTITION BY task_type_name, status_name) AS tasks
    FROM ended
)
SELECT
    task_type_name,
    status_name,
    MAX(tasks) AS tasks,
    MIN(hours) AS shortest_hours,
    -- The smallest value that half of the tasks, or 95 of 100, do not exceed.
    MIN(CASE WHEN 2 * turn >= tasks THEN hours END) AS median_hours,
    MIN(CASE WHEN 100 * turn >= 95 * tasks THEN hours END) AS p95_hours,
    MAX(hours) AS longest_hours
FROM ranked
GROUP BY task_type_name, status_name
ORDER BY task_type_name, status_name
