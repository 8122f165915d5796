-- Every status and result code of a task, with the time from which and until which it was valid.
-- :status_name The name of the status, UNKNOWN(7) for a number that KooDrive does not document.
-- :valid_from When a run first saw the task in this state.
-- :valid_until When a run first saw the task in another state. Null: the state is current.
SELECT
    c.task_id,
    c.status,
    COALESCE(s.status_name, 'UNKNOWN') AS status_name,
    c.result_code,
    c.observed_at AS valid_from,
    LEAD(c.observed_at) OVER (PARTITION BY c.task_id ORDER BY c.observed_at) AS valid_until,
    c.previous_status,
    c.previous_result_code,
    c.run_id
FROM fact_task_status_change AS c
LEFT JOIN dim_task_status AS s ON s.status = c.status
