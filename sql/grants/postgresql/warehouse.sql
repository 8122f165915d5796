-- Rights in the warehouse on PostgreSQL: a role for the job, and one that only reads, for analysts.
--
-- Run it after each `task-audit init`, as who owns the tables:
--     psql --set ON_ERROR_STOP=1 --file warehouse.sql 'dbname=warehouse'
-- With `warehouse.schema`, put it on the path: 'dbname=warehouse options=--search_path=audit'.
-- Then give the roles to users: GRANT task_audit_job TO nightly; GRANT task_audit_analyst TO ann;
-- `task-audit init` itself is for the owner: the job may neither make, change nor empty a table.

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
    -- The staging table of a batch is a temporary one.
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

-- A late observation can show that a later change was none.
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
