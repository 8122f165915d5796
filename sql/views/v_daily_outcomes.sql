-- The number of tasks and their outcomes for each day of submission. Status 2 is SUCCESS, 3 is FAILED.
-- :submitted_on The day of submission in the time zone of dim_day, or in UTC outside of its years. Null: unknown.
-- :tasks The tasks that were submitted on that day.
-- :succeeded The tasks of that day that succeeded.
-- :failed The tasks of that day that failed.
-- :still_open The tasks of that day that have not ended, as far as is known.
-- :failed_percent The percentage of failed tasks among those that have ended. Null: none has ended.
WITH dated AS (
    SELECT
        f.status,
        CASE
            WHEN f.submitted_at < d.begins_at THEN d.day_on - 1
            WHEN f.submitted_at >= d.ends_at THEN d.day_on + 1
            ELSE CAST(f.submitted_at AT TIME ZONE 'UTC' AS DATE)
        END AS submitted_on
    FROM fact_task_status AS f
    LEFT JOIN dim_day AS d ON d.day_on = CAST(f.submitted_at AT TIME ZONE 'UTC' AS DATE)
),
outcome AS (
    SELECT
        t.submitted_on,
        COUNT(*) AS tasks,
        COUNT(CASE WHEN t.status = 2 THEN 1 END) AS succeeded,
        COUNT(CASE WHEN t.status = 3 THEN 1 END) AS failed,
        COUNT(CASE WHEN t.status NOT IN (2, 3) THEN 1 END) AS still_open,
        -- The percentage among tasks that have ended, or null if none has.
        CAST(ROUND(100.0 * CAST(COUNT(CASE WHEN t.status = 3 THEN 1 END) AS DECIMAL(18, 0))
            / CAST(NULLIF(COUNT(CASE WHEN t.status IN (2, 3) THEN 1 END), 0) AS DECIMAL(18, 0)), 2) AS DOUBLE PRECISION)
            AS failed_percent
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
