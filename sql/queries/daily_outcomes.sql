-- How did each day's tasks end?
SELECT submitted_on, tasks, succeeded, failed, still_open, failed_percent
FROM v_daily_outcomes
ORDER BY submitted_on
