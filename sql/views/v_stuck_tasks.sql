-- Deprecated, and gone in the next release: use v_open_tasks, which has the same rows.
SELECT
    o.task_id,
    o.task_name,
    o.tenant_id,
    o.status,
    o.status_name,
    o.submitted_at,
    o.status_changed_at,
    o.last_checked_at,
    o.hours_since_submitted,
    o.hours_in_status
FROM v_open_tasks AS o
