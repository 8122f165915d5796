-- The number of tasks and their outcomes for each UTC day of submission. Status 2 is SUCCESS, 3 is FAILED.
-- :submitted_on The UTC day of submission. Null: unknown.
-- :tasks The tasks that were submitted on that day.
-- :succeeded The tasks of that day that succeeded.
-- :failed The tasks of that day that failed.
-- :still_open The tasks of that day that have not ended, as far as is known.
-- :failed_percent The percentage of failed tasks among those that have ended. Null: none has ended.
SELECT
    CAST(f.submitted_at AT TIME ZONE 'UTC' AS DATE) AS submitted_on,
    COUNT(*) AS tasks,
    COUNT(CASE WHEN f.status = 2 THEN 1 END) AS succeeded,
    COUNT(CASE WHEN f.status = 3 THEN 1 END) AS failed,
    COUNT(CASE WHEN f.status NOT IN (2, 3) THEN 1 END) AS still_open,
    -- The percentage among tasks that have ended, or null if none has.
    CAST(ROUND(100.0 * CAST(COUNT(CASE WHEN f.status = 3 THEN 1 END) AS DECIMAL(18, 0))
        / CAST(NULLIF(COUNT(CASE WHEN f.status IN (2, 3) THEN 1 END), 0) AS DECIMAL(18, 0)), 2) AS DOUBLE PRECISION)
        AS failed_percent
FROM fact_task_status AS f
GROUP BY CAST(f.submitted_at AT TIME ZONE 'UTC' AS DATE)
