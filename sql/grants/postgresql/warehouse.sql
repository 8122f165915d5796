-- Creates two roles for the warehouse on PostgreSQL: one for the job, and a read-only one for analysts.
--
-- Run it after each `task-audit init` as the owner of the tables:
--     psql --set ON_ERROR_STOP=1 --file warehouse.sql 'dbname=warehouse'
-- If `warehouse.schema` is set, add it to the search path: 'dbname=warehouse options=--search_path=audit'.
-- Then grant the roles to users: GRANT task_audit_job TO nightly; GRANT task_audit_analyst TO ann;
-- An owner without CREATEROLE needs the roles to be there: CREATE ROLE task_audit_job NOLOGIN; and the other one.
-- Run `task-audit init` itself as the owner: the role of the job may not create, alter or truncate a table.

DO $$ BEGIN
    IF pg_catalog.to_regrole('task_audit_job') IS NULL THEN
        CREATE ROLE task_audit_job NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$;

DO $$ BEGIN
    IF pg_catalog.to_regrole('task_audit_analyst') IS NULL THEN
        CREATE ROLE task_audit_analyst NOLOGIN;
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

-- A temporary table fills the disk as any other does; the job needs one for each batch.
DO $$
DECLARE
    database text := pg_catalog.current_database();
BEGIN
    IF (SELECT pg_catalog.pg_has_role(datdba, 'USAGE') FROM pg_catalog.pg_database WHERE datname = database) THEN
        EXECUTE pg_catalog.format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', database);
        EXECUTE pg_catalog.format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO task_audit_job', database);
        EXECUTE pg_catalog.format('GRANT CONNECT ON DATABASE %I TO task_audit_analyst', database);
    ELSE
        RAISE WARNING 'the owner of the database should run: REVOKE TEMPORARY ON DATABASE % FROM PUBLIC; '
            'GRANT CONNECT, TEMPORARY ON DATABASE % TO task_audit_job', database, database;
    END IF;
END $$;

DO $$
DECLARE
    schema text := pg_catalog.current_schema();
BEGIN
    IF (SELECT pg_catalog.pg_has_role(nspowner, 'USAGE') FROM pg_catalog.pg_namespace WHERE nspname = schema) THEN
        EXECUTE pg_catalog.format('GRANT USAGE ON SCHEMA %I TO task_audit_job, task_audit_analyst', schema);
    END IF;
END $$;

GRANT SELECT, INSERT, UPDATE ON
    fact_task_status,
    fact_task_status_change,
    dim_task_status,
    dim_task_type,
    dim_result_code,
    dim_tenant,
    dim_day,
    dead_letter,
    audit_run,
    audit_run_counter,
    notification
TO task_audit_job;

-- Loads take turns by a lock of this row, which needs the right to update it.
GRANT UPDATE ON task_audit_version TO task_audit_job;

-- A late observation can show that a recorded change did not happen.
GRANT DELETE ON fact_task_status_change TO task_audit_job;

GRANT SELECT ON
    task_audit_version,
    v_daily_outcomes,
    v_failures_by_result_code,
    v_failures_by_tenant,
    v_open_tasks,
    v_run_health,
    v_stuck_tasks,
    v_task_history,
    v_task_status
TO task_audit_job;

GRANT SELECT ON
    task_audit_version,
    fact_task_status,
    fact_task_status_change,
    dim_task_status,
    dim_task_type,
    dim_result_code,
    dim_tenant,
    dim_day,
    dead_letter,
    audit_run,
    audit_run_counter,
    notification,
    v_daily_outcomes,
    v_failures_by_result_code,
    v_failures_by_tenant,
    v_open_tasks,
    v_run_health,
    v_stuck_tasks,
    v_task_history,
    v_task_status
TO task_audit_analyst;
