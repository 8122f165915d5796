"""Behaviour that only a server of MySQL or MariaDB shows."""

import re

import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from etl.database.connections import open_engine
from etl.database.engines import engine_of
from etl.errors import ConfigurationError, StoppedError, UnavailableError
from etl.warehouse.schema import warehouse_schema
from tests.conftest import MYSQL

SUCCESS, FAILED = 2, 3
LARGEST_LOG = 65_536

pytestmark = pytest.mark.parametrize("warehouse_url", MYSQL, indirect=True)


@pytest.fixture
def on_mysql(engine, audit_on):
    return audit_on(engine)


def log_position(audit):
    with audit.engine.connect() as connection:
        status = connection.exec_driver_sql("SHOW ENGINE INNODB STATUS").one()[2]
    return int(re.search(r"Log sequence number\s+(\d+)", status)[1])


def rows_updated(audit):
    with audit.engine.connect() as connection:
        return int(connection.exec_driver_sql("SHOW GLOBAL STATUS LIKE 'Handler_update'").one()[1])


def test_a_repeated_load_of_finished_tasks_updates_no_row_and_writes_next_to_no_log(on_mysql):
    audit = on_mysql

    def seen(minute):
        return [
            audit.seen(FAILED, minute, task_id=str(1_534_087_020_903_704_704 + number), result_code="18000205")
            for number in range(5_000)
        ]

    audit.load(*seen(0))
    run = audit.begin("run-2", claimed=5_000)
    updated, position = rows_updated(audit), log_position(audit)
    assert audit.load(*seen(5), run=run).unchanged == 5_000
    assert rows_updated(audit) - updated == 1, "the row of the run"
    assert log_position(audit) - position < LARGEST_LOG


def test_a_change_that_a_constraint_refuses_is_an_error_and_not_left_out(on_mysql):
    audit = on_mysql
    audit.load(audit.seen(SUCCESS, task_id="1"))
    before = audit.tables()
    with audit.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE fact_task_status_change ADD CONSTRAINT no_failure CHECK (status <> 3)")
    with pytest.raises(DBAPIError, match="no_failure"):
        audit.load(audit.seen(FAILED, 5, task_id="2"), run="run-2")
    assert {name: rows for name, rows in audit.tables().items() if name != "audit_run"} == {
        name: rows for name, rows in before.items() if name != "audit_run"
    }


def test_text_is_stored_without_loss_and_compared_by_code_points_whatever_the_database_s_default(on_mysql):
    audit = on_mysql
    codes = ["a", "A", "a ", "á", "a\u0301", "\uff41", "🙂", "🙃", "ß", "ss"]
    audit.load(*(audit.seen(FAILED, task_id=str(n), result_code=code) for n, code in enumerate(codes)))
    assert {row["result_code"] for row in audit.rows("dim_result_code")} == set(codes)
    with audit.engine.connect() as connection:
        default = connection.exec_driver_sql("SELECT @@collation_database").scalar_one()
        found = connection.exec_driver_sql(
            "SELECT DISTINCT collation_name FROM information_schema.columns WHERE table_schema = DATABASE() "
            "AND collation_name IS NOT NULL AND table_name NOT LIKE 'v%%' AND table_name <> 'task_audit_version'"
        )
        (collation,) = found.scalars()
    assert default.startswith("latin1")
    assert collation in {"utf8mb4_nopad_bin", "utf8mb4_0900_bin"}


def test_a_load_waits_for_another_until_the_time_limit(on_mysql, warehouse_url, audit_on, monkeypatch):
    audit = on_mysql
    monkeypatch.setattr("etl.database.engines.mysql.LOCK_WAIT_SECONDS", 1)
    impatient = open_engine(warehouse_url, name="the warehouse")
    run = audit.begin("run-1")
    with audit.engine.begin() as holder:
        holder.execute(text("SELECT version_num FROM task_audit_version FOR UPDATE"))
        with pytest.raises(StoppedError, match="Lock wait timeout"):
            audit_on(impatient, upgrade=False).load(audit.seen(SUCCESS), run=run)
    assert audit.load(audit.seen(SUCCESS), run=run).changed == 1
    impatient.dispose()


def test_an_init_waits_for_another_until_the_time_limit(engine, warehouse_url, audit_on, monkeypatch):
    monkeypatch.setattr("etl.database.engines.mysql.LOCK_WAIT_SECONDS", 1)
    audit_on(engine)
    impatient = open_engine(warehouse_url, name="the warehouse")
    with engine.begin() as holder:
        holder.execute(text("SELECT id FROM task_audit_version_turn FOR UPDATE"))
        with pytest.raises(StoppedError, match="Lock wait timeout"):
            audit_on(impatient)
    audit_on(impatient).warehouse.require_current()
    impatient.dispose()


def test_an_init_keeps_its_lock_longer_than_a_transaction_may_pause(engine, warehouse_url, audit_on, monkeypatch):
    audit_on(engine)
    monkeypatch.setattr("etl.database.pauses.MAX_PAUSE_SECONDS", 1)
    initializing = open_engine(warehouse_url, name="the warehouse")
    version = warehouse_schema(None).version
    with engine_of(initializing).hold_migration_lock(initializing, version), engine.connect() as other:
        other.execute(text("SELECT SLEEP(2)"))
        held = other.execute(text("SELECT id FROM task_audit_version_turn FOR UPDATE SKIP LOCKED")).all()
        assert held == []
    initializing.dispose()


def test_a_lock_that_any_user_can_take_holds_up_no_init(engine, warehouse_url, audit_on):
    with engine.connect() as stranger:
        stranger.execute(text("SELECT GET_LOCK('task-audit init', 0)"))
        initializing = open_engine(warehouse_url, name="the warehouse")
        audit_on(initializing).warehouse.require_current()
        initializing.dispose()


@pytest.fixture
def lesser_url(engine, warehouse_url):
    """A user with the rights that the job needs, and no others."""
    database = engine.url.database
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE USER lesser@localhost IDENTIFIED BY 'CANARY-6a1c'")
        connection.exec_driver_sql(
            f"GRANT SELECT, INSERT, UPDATE, CREATE TEMPORARY TABLES ON {database}.* TO lesser@localhost"
        )
    yield SecretStr(warehouse_url.get_secret_value().replace("root@", "lesser:CANARY-6a1c@"))
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP USER lesser@localhost")


def test_a_user_who_may_create_nothing_lasting_can_load_and_not_initialize(on_mysql, lesser_url, audit_on):
    lesser = open_engine(lesser_url, name="the warehouse")
    audit = audit_on(lesser, upgrade=False)
    audit.warehouse.require_current()
    audit.load(audit.seen(FAILED, result_code="18000205"), audit.failed(task_id="9"))
    audit.load(audit.seen(7, 5, task_id="9", task_type=8), run="run-2")
    assert len(audit.rows("fact_task_status")) == 2
    with pytest.raises(ConfigurationError, match="denied") as refused:
        audit_on(lesser)
    assert "CANARY" not in str(refused.value)
    lesser.dispose()


def test_the_connection_is_lost_while_a_batch_is_on_its_way(on_mysql):
    audit = on_mysql
    run = audit.begin("run-1")
    before = audit.tables()

    def end(connection):
        backend = connection.scalar(text("SELECT CONNECTION_ID()"))
        with audit.engine.connect() as other:
            other.exec_driver_sql(f"KILL {backend}")

    with pytest.raises(UnavailableError):
        audit.load(audit.seen(SUCCESS), run=run, within=lambda c: (end(c), c.execute(text("SELECT 1"))))
    assert audit.tables() == before
    assert audit.load(audit.seen(SUCCESS), run=run).changed == 1
