-- Which result codes and task types do your labels not explain? `task-audit labels export` writes a file to fill in.
SELECT 'result_code' AS dimension, r.result_code AS code, COUNT(f.task_id) AS tasks
FROM dim_result_code AS r
LEFT JOIN fact_task_status AS f ON f.result_code = r.result_code
WHERE NOT r.is_documented
GROUP BY r.result_code
UNION ALL
SELECT 'task_type' AS dimension, REPLACE(REPLACE(t.task_type_name, 'UNKNOWN(', ''), ')', '') AS code, COUNT(f.task_id)
FROM dim_task_type AS t
LEFT JOIN fact_task_status AS f ON f.task_type = t.task_type
WHERE t.task_type_name LIKE 'UNKNOWN(%'
GROUP BY t.task_type_name
ORDER BY tasks DESC, dimension, code
