-- Which tasks could no run audit, and why? The newest failures come first.
SELECT task_id, reason, http_status, error_code, detail, trace_id, attempts, last_failed_at
FROM dead_letter
WHERE resolved_at IS NULL
ORDER BY last_failed_at DESC, task_id
