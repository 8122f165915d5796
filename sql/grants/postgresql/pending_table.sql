-- Rights to the pending table on PostgreSQL, for the job; nobody may delete from it.
--
-- Run it after `task-audit init`, as who owns the table, in the database and with the schema of `source.table` on the path:
--     psql --set ON_ERROR_STOP=1 --file pending_table.sql 'dbname=drive'
-- Where `source.table` has another name, put that in the place of pending_task below.
-- A program that only adds tasks needs: GRANT INSERT (task_id, submitted_at) ON pending_task TO it;

DO $$ BEGIN
    CREATE ROLE task_audit_job NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$;

DO $$ BEGIN
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO task_audit_job', current_database());
    -- Tasks that `enqueue` adds come through a temporary table.
    EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO task_audit_job', current_database());
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO task_audit_job', current_schema());
END $$;

GRANT SELECT, INSERT, UPDATE ON pending_task TO task_audit_job;
GRANT SELECT, UPDATE ON pending_task_rate TO task_audit_job;
GRANT SELECT ON pending_task_version TO task_audit_job;
