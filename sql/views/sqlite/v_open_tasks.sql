-- Every task that has not ended, with the hours since submission and since the last change of status.
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
    (JULIANDAY('now') - JULIANDAY(f.submitted_at)) * 24 AS hours_since_submitted,
    (JULIANDAY('now') - JULIANDAY(f.status_changed_at)) * 24 AS hours_in_status
FROM fact_task_status AS f
LEFT JOIN dim_task_status AS s ON s.status = f.status
LEFT JOIN dim_tenant AS t ON t.tenant_id = f.tenant_id
WHERE NOT COALESCE(s.is_terminal, FALSE)
