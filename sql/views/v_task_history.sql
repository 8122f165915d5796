-- Every status or result code a task was seen with, from when, and until when (null: it still holds).
SELECT
    c.task_id,
    c.status,
    s.status_name,
    c.result_code,
    c.observed_at AS valid_from,
    LEAD(c.observed_at) OVER (PARTITION BY c.task_id ORDER BY c.observed_at) AS valid_until,
    c.previous_status,
    c.previous_result_code,
    c.run_id
FROM fact_task_status_change AS c
JOIN dim_task_status AS s ON s.status = c.status
