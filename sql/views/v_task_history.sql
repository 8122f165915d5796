-- Every status or result code a task was seen with, from when, and until when (null: it still holds).
-- :status_name The name of the status, UNKNOWN(7) for a number that KooDrive does not document.
-- :valid_from When the task was first seen so.
-- :valid_until When it was first seen otherwise. Null: it still stands so.
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
