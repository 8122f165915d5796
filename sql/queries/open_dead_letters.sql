-- What could not be audited, and why? The newest failures first.
SELECT task_id, reason, http_status, error_code, detail, trace_id, attempts, last_failed_at
FROM dead_letter
WHERE resolved_at IS NULL
ORDER BY last_failed_at DESC, task_id
