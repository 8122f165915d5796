-- What was the state of every task, or of one task, at an instant, as far as runs had seen by then?
-- :at (time, default now): The instant. A plain date means the beginning of its day.
-- :task_id (text, optional): The task. Without it, all tasks.
SELECT
    h.task_id,
    f.task_name,
    f.tenant_id,
    t.tenant_name,
    f.submitted_at,
    h.status_name,
    h.result_code,
    h.valid_from,
    h.valid_until
FROM v_task_history AS h
JOIN fact_task_status AS f ON f.task_id = h.task_id
LEFT JOIN dim_tenant AS t ON t.tenant_id = f.tenant_id
WHERE h.valid_from <= :at
    AND (h.valid_until IS NULL OR h.valid_until > :at)
    AND (:task_id = '' OR h.task_id = :task_id)
ORDER BY h.task_id
