-- For each UTC day of submission: how many tasks, and how they stand. Status 2 is SUCCESS, 3 is FAILED.
-- :submitted_on The UTC day of submission. Null: it is not known.
-- :tasks Tasks that were submitted on that day.
-- :succeeded Of these, tasks that ended well.
-- :failed Of these, tasks that ended badly.
-- :still_open Of these, tasks that have not ended, as far as is known.
-- :failed_percent Failed tasks in a hundred that have ended. Null: none has.
SELECT
    CAST(f.submitted_at AT TIME ZONE 'UTC' AS DATE) AS submitted_on,
    COUNT(*) AS tasks,
    COUNT(CASE WHEN f.status = 2 THEN 1 END) AS succeeded,
    COUNT(CASE WHEN f.status = 3 THEN 1 END) AS failed,
    COUNT(CASE WHEN f.status NOT IN (2, 3) THEN 1 END) AS still_open,
    -- Of those that have ended, and null where none has.
    CAST(ROUND(100.0 * COUNT(CASE WHEN f.status = 3 THEN 1 END)
        / NULLIF(COUNT(CASE WHEN f.status IN (2, 3) THEN 1 END), 0), 2) AS DOUBLE PRECISION) AS failed_percent
FROM fact_task_status AS f
GROUP BY CAST(f.submitted_at AT TIME ZONE 'UTC' AS DATE)
