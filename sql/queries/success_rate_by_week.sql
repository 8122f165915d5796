-- What share of each week's tasks succeeded? Weeks are by submission and start on Monday, in the zone of dim_day.
WITH week AS (
    SELECT
        week_begins_on,
        SUM(tasks) AS tasks,
        SUM(succeeded) AS succeeded,
        SUM(failed) AS failed,
        SUM(still_open) AS still_open
    FROM v_daily_outcomes
    GROUP BY week_begins_on
),
rated AS (
    SELECT
        week_begins_on,
        tasks,
        succeeded,
        failed,
        still_open,
        -- The percentage among tasks that have ended, or null if none has.
        ROUND(100.0 * CAST(succeeded AS DECIMAL(18, 0))
            / NULLIF(CAST(succeeded + failed AS DECIMAL(18, 0)), CAST(0 AS DECIMAL(18, 0))), 2)
            AS success_percent_of_ended
    FROM week
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
FROM rated
ORDER BY week_begins_on
