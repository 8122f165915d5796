-- The number of tasks and their outcomes for each UTC day of submission. Status 2 is SUCCESS, 3 is FAILED.
SELECT
    DATE(f.submitted_at) AS submitted_on,
    COUNT(*) AS tasks,
    COUNT(CASE WHEN f.status = 2 THEN 1 END) AS succeeded,
    COUNT(CASE WHEN f.status = 3 THEN 1 END) AS failed,
    COUNT(CASE WHEN f.status NOT IN (2, 3) THEN 1 END) AS still_open,
    -- The percentage among tasks that have ended, or null if none has.
    CAST(ROUND(100.0 * COUNT(CASE WHEN f.status = 3 THEN 1 END)
        / NULLIF(COUNT(CASE WHEN f.status IN (2, 3) THEN 1 END), 0), 2) AS DOUBLE PRECISION) AS failed_percent
FROM fact_task_status AS f
GROUP BY DATE(f.submitted_at)
