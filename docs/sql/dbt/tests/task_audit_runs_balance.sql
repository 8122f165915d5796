-- The numbers of a run that has ended balance; returns the runs whose numbers do not.
SELECT run_id, outcome, claimed, audited, dead_lettered, released
FROM {{ source('task_audit', 'v_run_health') }}
WHERE NOT is_balanced AND finished_at IS NOT NULL AND outcome <> 'bug'
