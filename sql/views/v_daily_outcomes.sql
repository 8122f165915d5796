-- For each UTC day of submission: how many tasks, and how they stand.
SELECT
    CAST(f.submitted_at AT TIME ZONE 'UTC' AS DATE) AS submitted_on,
    COUNT(*) AS tasks,
    SUM(CASE WHEN f.status = 2 THEN 1 ELSE 0 END) AS succeeded,
    SUM(CASE WHEN f.status = 3 THEN 1 ELSE 0 END) AS failed,
    SUM(CASE WHEN f.status NOT IN (2, 3) THEN 1 ELSE 0 END) AS still_open,
    ROUND(100.0 * SUM(CASE WHEN f.status = 3 THEN 1 ELSE 0 END)
        / NULLIF(SUM(CASE WHEN f.status IN (2, 3) THEN 1 ELSE 0 END), 0), 2) AS failed_percent
FROM fact_task_status AS f
GROUP BY CAST(f.submitted_at AT TIME ZONE 'UTC' AS DATE)
