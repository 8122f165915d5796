-- One row for each task_id, observed_at; returns those with more.
SELECT task_id, observed_at
FROM {{ source('task_audit', 'fact_task_status_change') }}
GROUP BY task_id, observed_at
HAVING COUNT(*) > 1
