-- Every task that has not ended, with the hours since submission and since the last change of status.
-- :status_name The name of the status, UNKNOWN(7) for a number that KooDrive does not document.
-- :hours_since_submitted The hours since submitted_at.
-- :hours_in_status The hours since status_changed_at.
SELECT
    f.task_id,
    f.task_name,
    f.tenant_id,
    t.tenant_name,
    f.status,
    COALESCE(s.status_name, 'UNKNOWN') AS status_name,
    f.submitted_at,
    f.status_changed_at,
    f.last_checked_at,
    -- Seconds are subtracted, not timestamps: an interval can count days, and a day is not always 24 hours.
    CAST(EXTRACT(EPOCH FROM CURRENT_TIMESTAMP) - EXTRACT(EPOCH FROM f.submitted_at) AS DOUBLE PRECISION)
        / CAST(3600 AS DOUBLE PRECISION) AS hours_since_submitted,
    CAST(EXTRACT(EPOCH FROM CURRENT_TIMESTAMP) - EXTRACT(EPOCH FROM f.status_changed_at) AS DOUBLE PRECISION)
        / CAST(3600 AS DOUBLE PRECISION) AS hours_in_status
FROM fact_task_status AS f
LEFT JOIN dim_task_status AS s ON s.status = f.status
LEFT JOIN dim_tenant AS t ON t.tenant_id = f.tenant_id
WHERE NOT COALESCE(s.is_terminal, FALSE)
