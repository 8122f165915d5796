-- What share of each week's tasks succeeded? Weeks are by submission and start on Monday, in UTC.
WITH week AS (
    SELECT
        DATE(submitted_on, 'weekday 0', '-6 days') AS week_begins_on,
        SUM(tasks) AS tasks,
        SUM(succeeded) AS succeeded,
        SUM(failed) AS failed,
        SUM(still_open) AS still_open,
        -- The percentage among tasks that have ended, or null if none has.
        ROUND(100.0 * SUM(succeeded) / NULLIF(SUM(succeeded) + SUM(failed), 0), 2) AS success_percent_of_ended
    FROM v_daily_outcomes
    GROUP BY DATE(submitted_on, 'weekday 0', '-6 days')
)
SELECT
    week_begins_on,
    tasks,
    succeeded,
    failed,
    still_open,
    success_percent_of_ended,
    -- Deprecated, and gone in the next release.
    success_percent_of_ended AS success_percent
FROM week
ORDER BY week_begins_on
