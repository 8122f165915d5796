-- One row for each run_id, counter, name; returns those with more.
SELECT run_id, counter, name
FROM {{ source('task_audit', 'audit_run_counter') }}
GROUP BY run_id, counter, name
HAVING COUNT(*) > 1
