-- Grants the job its rights to the pending table on PostgreSQL. The job may not delete rows.
--
-- Run it after each `task-audit init` as the owner of the table, with the schema of `source.table` on the search path:
--     psql --set ON_ERROR_STOP=1 --file pending_table.sql 'dbname=drive'
-- If `source.table` has another name, replace pending_task below.
-- An owner without CREATEROLE needs the role to be there: CREATE ROLE task_audit_job NOLOGIN;
-- A program that only adds tasks needs: GRANT INSERT (task_id, submitted_at) ON pending_task TO it;

DO $$ BEGIN
    IF pg_catalog.to_regrole('task_audit_job') IS NULL THEN
        CREATE ROLE task_audit_job NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$;

-- In a schema where PUBLIC may create objects, any user could add a function that runs as the job.
DO $$ BEGIN
    IF NOT pg_catalog.has_schema_privilege('public', 'public', 'CREATE') THEN
        RETURN;
    ELSIF (SELECT pg_catalog.pg_has_role(nspowner, 'USAGE') FROM pg_catalog.pg_namespace WHERE nspname = 'public') THEN
        REVOKE CREATE ON SCHEMA public FROM PUBLIC;
    ELSE
        RAISE WARNING 'the owner of the schema public should run: REVOKE CREATE ON SCHEMA public FROM PUBLIC';
    END IF;
EXCEPTION WHEN invalid_schema_name THEN NULL;
END $$;

-- Only the owner of the database or of the schema can grant these two, which PUBLIC has by default.
DO $$
DECLARE
    database text := pg_catalog.current_database();
    schema text := pg_catalog.current_schema();
BEGIN
    IF (SELECT pg_catalog.pg_has_role(datdba, 'USAGE') FROM pg_catalog.pg_database WHERE datname = database) THEN
        EXECUTE pg_catalog.format('GRANT CONNECT ON DATABASE %I TO task_audit_job', database);
    END IF;
    IF (SELECT pg_catalog.pg_has_role(nspowner, 'USAGE') FROM pg_catalog.pg_namespace WHERE nspname = schema) THEN
        EXECUTE pg_catalog.format('GRANT USAGE ON SCHEMA %I TO task_audit_job', schema);
    END IF;
END $$;

GRANT SELECT, INSERT, UPDATE ON pending_task TO task_audit_job;
GRANT SELECT, UPDATE ON pending_task_rate TO task_audit_job;
GRANT SELECT ON pending_task_version TO task_audit_job;
