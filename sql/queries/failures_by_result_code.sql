-- Why did tasks fail? Result codes by how many tasks they ended.
SELECT result_code, title, tasks, tenants, last_failed_at
FROM v_failures_by_result_code
ORDER BY tasks DESC, result_code
