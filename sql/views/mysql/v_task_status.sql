-- Every audited task with its current status, and the names and labels of its type, status and result code.
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
        WHEN f.submitted_at < d.begins_at THEN DATE_SUB(d.day_on, INTERVAL 1 DAY)
        WHEN f.submitted_at >= d.ends_at THEN DATE_ADD(d.day_on, INTERVAL 1 DAY)
        ELSE CAST(f.submitted_at AS DATE)
    END AS submitted_on,
    CASE WHEN s.is_terminal THEN f.status_changed_at END AS ended_at,
    CASE
        WHEN s.is_terminal
            THEN CAST(ROUND(TIMESTAMPDIFF(MICROSECOND, f.submitted_at, f.status_changed_at) / 3600000000, 4) AS DOUBLE)
    END AS hours_to_end
FROM fact_task_status AS f
LEFT JOIN dim_task_status AS s ON s.status = f.status
LEFT JOIN dim_task_type AS t ON t.task_type = f.task_type
LEFT JOIN dim_result_code AS r ON r.result_code = f.result_code
LEFT JOIN dim_tenant AS n ON n.tenant_id = f.tenant_id
LEFT JOIN dim_day AS d ON d.day_on = CAST(f.submitted_at AS DATE)
