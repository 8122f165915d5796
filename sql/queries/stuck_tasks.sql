-- What is stuck? Tasks that have not ended a day after they were submitted, the oldest first.
SELECT task_id, task_name, tenant_id, status_name, submitted_at, hours_since_submitted
FROM v_stuck_tasks
WHERE hours_since_submitted > 24
ORDER BY hours_since_submitted DESC, task_id
