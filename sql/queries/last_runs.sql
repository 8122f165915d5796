-- How did the last runs go?
-- :number (integer, default 20): The runs to list, at most.
SELECT started_at, outcome, exit_code, duration_seconds, claimed, audited, changed, still_open, dead_lettered, released
FROM v_run_health
ORDER BY started_at DESC
LIMIT :number
