-- Every run with its duration and whether its numbers balance. A running or killed run has no end.
SELECT
    r.run_id,
    r.started_at,
    r.finished_at,
    r.outcome,
    r.exit_code,
    CAST(ROUND(TIMESTAMPDIFF(MICROSECOND, r.started_at, r.finished_at) / 1000000, 3) AS DOUBLE) AS duration_seconds,
    r.claimed,
    r.audited,
    r.changed,
    r.unchanged,
    r.still_open,
    r.dead_lettered,
    r.released,
    r.requests,
    r.retries,
    r.throttled,
    r.claimed = r.audited + r.dead_lettered + r.released AND r.audited = r.changed + r.unchanged AS is_balanced,
    r.version,
    r.host,
    r.error
FROM audit_run AS r
