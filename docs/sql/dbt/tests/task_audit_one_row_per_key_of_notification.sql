-- One row for each run_id, kind; returns those with more.
SELECT run_id, kind
FROM {{ source('task_audit', 'notification') }}
GROUP BY run_id, kind
HAVING COUNT(*) > 1
