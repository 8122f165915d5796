-- One row per state of a task, with the time in which it held.
SELECT
    task_id,
    status,
    status_name,
    result_code,
    valid_from,
    valid_until,
    previous_status,
    previous_result_code,
    run_id
FROM {{ source('task_audit', 'v_task_history') }}
