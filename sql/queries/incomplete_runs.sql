-- Which runs were incomplete: stopped, failed, killed, still running, or with numbers that do not balance?
-- :since (time, default 30d before now): The earliest start of a listed run.
SELECT
    started_at,
    finished_at,
    outcome,
    exit_code,
    claimed,
    audited,
    dead_lettered,
    released,
    is_balanced,
    error,
    run_id
FROM v_run_health
WHERE started_at >= :since
    AND (exit_code IS NULL OR exit_code NOT IN (0, 65) OR released > 0 OR NOT is_balanced)
ORDER BY started_at DESC, run_id
