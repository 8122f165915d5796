-- Every audited task with its current status, and the names and labels of its type, status and result code.
-- :task_type_name The name of the type: UNKNOWN if the task has none, UNKNOWN(7) until your labels name it.
-- :status_name The name of the status, UNKNOWN(7) for a number that KooDrive does not document.
-- :is_terminal Whether the task has ended, which a task with an unknown status has not.
-- :result_title Deprecated, and gone in the next release: use title.
-- :result_category Deprecated, and gone in the next release: use category.
-- :result_action Deprecated, and gone in the next release: use action.
-- :title The title that your labels give the result code. Null: your labels do not explain it, or there is none.
-- :category The group that your labels put the result code in.
-- :action The action that your labels advise for the result code.
-- :submitted_on The day of submission in the time zone of dim_day, or in UTC outside of its years. Null: unknown.
-- :ended_at When a run first saw the end, which may be long after it: nights lie between two runs. Null: it is open.
-- :hours_to_end The hours from submitted_at to ended_at, so at most the time until a run saw the end. Null: it is open.
SELECT
    f.task_id,
    f.task_name,
    f.task_type,
    COALESCE(t.task_type_name, 'UNKNOWN') AS task_type_name,
    f.tenant_id,
    f.user_id,
    f.status,
    COALESCE(s.status_name, 'UNKNOWN') AS status_name,
    COALESCE(s.is_terminal, FALSE) AS is_terminal,
    f.result_code,
    r.title AS result_title,
    r.category AS result_category,
    r.action AS result_action,
    f.submitted_at,
    f.submitted_at_source,
    f.first_seen_at,
    f.status_changed_at,
    f.last_checked_at,
    f.run_id,
    r.title,
    r.category,
    r.action,
    n.tenant_name,
    CASE
        WHEN f.submitted_at < d.begins_at THEN d.day_on - 1
        WHEN f.submitted_at >= d.ends_at THEN d.day_on + 1
        ELSE CAST(f.submitted_at AT TIME ZONE 'UTC' AS DATE)
    END AS submitted_on,
    CASE WHEN s.is_terminal THEN f.status_changed_at END AS ended_at,
    CASE
        WHEN s.is_terminal
            THEN CAST(CAST((EXTRACT(EPOCH FROM f.status_changed_at) - EXTRACT(EPOCH FROM f.submitted_at)) / 3600.0
            AS DECIMAL(18, 4)) AS DOUBLE PRECISION)
    END AS hours_to_end
FROM fact_task_status AS f
LEFT JOIN dim_task_status AS s ON s.status = f.status
LEFT JOIN dim_task_type AS t ON t.task_type = f.task_type
LEFT JOIN dim_result_code AS r ON r.result_code = f.result_code
LEFT JOIN dim_tenant AS n ON n.tenant_id = f.tenant_id
LEFT JOIN dim_day AS d ON d.day_on = CAST(f.submitted_at AT TIME ZONE 'UTC' AS DATE)
