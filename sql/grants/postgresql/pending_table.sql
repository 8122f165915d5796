-- Grants the job its rights to the pending table on PostgreSQL. The job may not delete rows.
--
-- Run it after `task-audit init` as the owner of the table, with the schema of `source.table` on the search path:
--     psql --set ON_ERROR_STOP=1 --file pending_table.sql 'dbname=drive'
-- If `source.table` has another name, replace pending_task below.
-- A program that only adds tasks needs: GRANT INSERT (task_id, submitted_at) ON pending_task TO it;

DO $$ BEGIN
    CREATE ROLE task_audit_job NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$;

DO $$ BEGIN
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO task_audit_job', current_database());
    -- `task-audit enqueue` adds tasks through a temporary table.
    EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO task_audit_job', current_database());
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO task_audit_job', current_schema());
END $$;

GRANT SELECT, INSERT, UPDATE ON pending_task TO task_audit_job;
GRANT SELECT, UPDATE ON pending_task_rate TO task_audit_job;
GRANT SELECT ON pending_task_version TO task_audit_job;
