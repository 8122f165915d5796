-- How old are the open dead letters, by reason?
-- :at (time, default now): The instant at which the ages are measured.
-- :day_ago (time, default 1d before at): The first failure of a dead letter that is one day old.
-- :week_ago (time, default 7d before at): The first failure of a dead letter that is one week old.
-- :month_ago (time, default 30d before at): The first failure of a dead letter that is one month old.
SELECT
    reason,
    COUNT(*) AS tasks,
    COUNT(CASE WHEN first_failed_at > :day_ago THEN 1 END) AS under_a_day,
    COUNT(CASE WHEN first_failed_at > :week_ago AND first_failed_at <= :day_ago THEN 1 END) AS under_a_week,
    COUNT(CASE WHEN first_failed_at > :month_ago AND first_failed_at <= :week_ago THEN 1 END) AS under_a_month,
    COUNT(CASE WHEN first_failed_at <= :month_ago THEN 1 END) AS older,
    MIN(first_failed_at) AS oldest_failed_at
FROM dead_letter
WHERE first_failed_at <= :at AND (resolved_at IS NULL OR resolved_at > :at)
GROUP BY reason
ORDER BY tasks DESC, reason
