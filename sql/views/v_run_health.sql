-- Every run with its duration and whether its numbers balance. A running or killed run has no end.
-- :duration_seconds The duration in seconds. Null: the run has not ended.
-- :is_balanced Whether claimed = audited + dead_lettered + released, and audited = changed + unchanged.
SELECT
    r.run_id,
    r.started_at,
    r.finished_at,
    r.outcome,
    r.exit_code,
    CAST(CAST(EXTRACT(EPOCH FROM r.finished_at) - EXTRACT(EPOCH FROM r.started_at) AS DECIMAL(18, 3))
        AS DOUBLE PRECISION) AS duration_seconds,
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
