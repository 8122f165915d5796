-- Creates two roles for the warehouse on PostgreSQL: one for the job, and a read-only one for analysts.
--
-- Run it after each `task-audit init` as the owner of the tables:
--     psql --set ON_ERROR_STOP=1 --file warehouse.sql 'dbname=warehouse'
-- If `warehouse.schema` is set, add it to the search path: 'dbname=warehouse options=--search_path=audit'.
-- Then grant the roles to users: GRANT task_audit_job TO nightly; GRANT task_audit_analyst TO ann;
-- Run `task-audit init` itself as the owner: the role of the job may not create, alter or truncate a table.

DO $$ BEGIN
    CREATE ROLE task_audit_job NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$;

DO $$ BEGIN
    CREATE ROLE task_audit_analyst NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$;

DO $$ BEGIN
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO task_audit_job, task_audit_analyst', current_database());
    -- The staging table of a batch is temporary.
    EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO task_audit_job', current_database());
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO task_audit_job, task_audit_analyst', current_schema());
END $$;

GRANT SELECT, INSERT, UPDATE ON
    fact_task_status,
    fact_task_status_change,
    dim_task_status,
    dim_task_type,
    dim_result_code,
    dead_letter,
    audit_run,
    audit_run_counter,
    notification
TO task_audit_job;

-- A late observation can show that a recorded change did not happen.
GRANT DELETE ON fact_task_status_change TO task_audit_job;

GRANT SELECT ON
    task_audit_version,
    v_daily_outcomes,
    v_failures_by_result_code,
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
    dead_letter,
    audit_run,
    audit_run_counter,
    notification,
    v_daily_outcomes,
    v_failures_by_result_code,
    v_run_health,
    v_stuck_tasks,
    v_task_history,
    v_task_status
TO task_audit_analyst;
