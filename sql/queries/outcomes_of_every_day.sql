-- How did the tasks of each day end, with the days that had none?
-- :since (time, default 27d before today): The first listed day.
-- :until (end, default today): The last listed day.
SELECT
    d.day_on AS submitted_on,
    d.weekday_name,
    d.iso_week,
    d.month,
    COALESCE(o.tasks, 0) AS tasks,
    COALESCE(o.succeeded, 0) AS succeeded,
    COALESCE(o.failed, 0) AS failed,
    COALESCE(o.still_open, 0) AS still_open,
    o.failed_percent
FROM dim_day AS d
LEFT JOIN v_daily_outcomes AS o ON o.submitted_on = d.day_on
WHERE d.ends_at > :since AND d.begins_at < :until
ORDER BY d.day_on
