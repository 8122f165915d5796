-- What happened to one task: its submission, every change, its dead letter, and the last check?
-- :task_id (text): The task.
WITH story AS (
    SELECT
        c.observed_at AS happened_at,
        2 AS turn,
        'seen' AS event,
        COALESCE(s.status_name, 'UNKNOWN') AS status_name,
        c.result_code,
        r.title AS detail,
        c.run_id
    FROM fact_task_status_change AS c
    LEFT JOIN dim_task_status AS s ON s.status = c.status
    LEFT JOIN dim_result_code AS r ON r.result_code = c.result_code
    WHERE c.task_id = :task_id
    UNION ALL
    SELECT f.submitted_at, 1, 'submitted', NULL, NULL, f.task_name, NULL
    FROM fact_task_status AS f
    WHERE f.task_id = :task_id AND f.submitted_at IS NOT NULL
    UNION ALL
    SELECT f.last_checked_at, 6, 'last checked', NULL, NULL, NULL, NULL
    FROM fact_task_status AS f
    WHERE f.task_id = :task_id
    UNION ALL
    SELECT d.first_failed_at, 3, 'first failure to audit it', NULL, NULL, NULL, NULL
    FROM dead_letter AS d
    WHERE d.task_id = :task_id AND d.first_failed_at < d.last_failed_at
    UNION ALL
    SELECT d.last_failed_at, 4, 'dead letter', NULL, d.error_code, d.reason, d.run_id
    FROM dead_letter AS d
    WHERE d.task_id = :task_id
    UNION ALL
    SELECT d.resolved_at, 5, 'dead letter resolved', NULL, NULL, NULL, NULL
    FROM dead_letter AS d
    WHERE d.task_id = :task_id AND d.resolved_at IS NOT NULL
)
SELECT happened_at, event, status_name, result_code, detail, run_id
FROM story
ORDER BY happened_at, turn
