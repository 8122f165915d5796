-- The number of tasks and their outcomes for each day of submission. Status 2 is SUCCESS, 3 is FAILED.
WITH dated AS (
    SELECT
        f.status,
        CASE
            WHEN f.submitted_at < d.begins_at THEN DATE(d.day_on, '-1 day')
            WHEN f.submitted_at >= d.ends_at THEN DATE(d.day_on, '+1 day')
            ELSE DATE(f.submitted_at)
        END AS submitted_on
    FROM fact_task_status AS f
    LEFT JOIN dim_day AS d ON d.day_on = DATE(f.submitted_at)
),
outcome AS (
    SELECT
        t.submitted_on,
        COUNT(*) AS tasks,
        COUNT(CASE WHEN t.status = 2 THEN 1 END) AS succeeded,
        COUNT(CASE WHEN t.status = 3 THEN 1 END) AS failed,
        COUNT(CASE WHEN t.status NOT IN (2, 3) THEN 1 END) AS still_open,
        -- The percentage among tasks that have ended, or null if none has.
        CAST(ROUND(100.0 * COUNT(CASE WHEN t.status = 3 THEN 1 END)
            / NULLIF(COUNT(CASE WHEN t.status IN (2, 3) THEN 1 END), 0), 2) AS DOUBLE PRECISION) AS failed_percent
    FROM dated AS t
    GROUP BY t.submitted_on
)
SELECT
    o.submitted_on,
    o.tasks,
    o.succeeded,
    o.failed,
    o.still_open,
    o.failed_percent,
    c.week_begins_on,
    c.iso_week,
    c.month,
    c.weekday_name
FROM outcome AS o
LEFT JOIN dim_day AS c ON c.day_on = o.submitted_on
