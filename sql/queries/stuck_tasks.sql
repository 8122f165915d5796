-- What is stuck? Tasks that have not ended this many hours after submission, the oldest first.
-- :hours (number, default 24): The hours after which a task counts as stuck.
SELECT task_id, task_name, tenant_id, tenant_name, status_name, submitted_at, hours_since_submitted
FROM v_open_tasks
WHERE hours_since_submitted > :hours
ORDER BY hours_since_submitted DESC, task_id
