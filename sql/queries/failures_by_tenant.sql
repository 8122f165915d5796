-- Whose tasks failed? Tenants by how many of their tasks failed, with the share among those that have ended.
SELECT tenant_id, tenant_name, tasks, ended, failed_percent_of_ended, result_codes, last_failed_at
FROM v_failures_by_tenant
ORDER BY tasks DESC, tenant_id
