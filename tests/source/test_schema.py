"""`task-audit init` creates the pending table under any name, beside other tables."""

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import count
from threading import Thread

import pytest
from alembic.script import ScriptDirectory
from pydantic import SecretStr
from sqlalchemy import event, inspect, text

from etl.database.connections import open_engine
from etl.database.migrations import upgrade
from etl.database.versions import require_current
from etl.errors import ConfigurationError
from etl.source.queue import Queue
from etl.source.schema import queue_schema
from etl.source.tables import POSITION, pending_table
from etl.tasks import Selection
from tests.conftest import MYSQL

HEAD = ScriptDirectory(str(queue_schema(pending_table("pending_task")).revisions)).get_current_head()


@pytest.fixture
def engine(queue_url):
    engine = open_engine(queue_url, name="the pending database", create=True)
    yield engine
    engine.dispose()


def set_up(engine, name="pending_task"):
    return upgrade(engine, queue_schema(pending_table(name)))


def execute(engine, statement):
    with engine.begin() as connection:
        connection.execute(text(statement))


def test_the_revisions_create_the_described_table(engine):
    set_up(engine)
    described = pending_table("pending_task")

    made = {column["name"]: column for column in inspect(engine).get_columns("pending_task")}

    # MariaDB has no indexes of expressions, so the table has a column there.
    assert (made.pop(POSITION, None) is not None) == (engine.dialect.name == "mysql")
    assert list(made) == [column.name for column in described.columns]
    for column in described.columns:
        found, declared = str(made[column.name]["type"]), str(column.type.compile(engine.dialect))
        assert re.match(r"\w+", found)[0] == re.match(r"\w+", declared)[0]
        assert made[column.name]["nullable"] == column.nullable


def test_a_second_init_does_nothing(engine):
    first = set_up(engine)
    execute(engine, "INSERT INTO pending_task (task_id) VALUES ('1')")

    again = set_up(engine)

    assert first.before is None
    assert again.before == again.after == first.after
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT COUNT(*) FROM pending_task")) == 1


@pytest.mark.parametrize("queue_url", MYSQL, indirect=True)
def test_an_init_that_broke_off_anywhere_is_repeated(engine):
    """Every DDL statement of MySQL commits, so a table without a version may be this program's own."""
    for statements in count(1):
        written = []

        def crash(_connection, _cursor, statement, *_, statements=statements, written=written):
            written.append(statement)
            if len(written) > statements:
                raise KeyboardInterrupt

        event.listen(engine, "before_cursor_execute", crash)
        with suppress(KeyboardInterrupt):
            set_up(engine, f"pending_{statements}")
        event.remove(engine, "before_cursor_execute", crash)
        engine.dispose()
        set_up(engine, f"pending_{statements}")
        execute(engine, f"INSERT INTO pending_{statements} (task_id) VALUES ('1')")
        assert {index["name"] for index in inspect(engine).get_indexes(f"pending_{statements}")} == {
            f"pending_{statements}_due"
        }
        if len(written) <= statements:
            break


def test_two_inits_at_once(engine):
    done = []
    threads = [Thread(target=lambda: done.append(set_up(engine).before)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(map(str, done)) == ["None", HEAD, HEAD, HEAD]


def test_two_tables_in_one_database(engine):
    assert set_up(engine, "one").before is set_up(engine, "other").before is None


def test_another_s_table_of_the_name_is_left_alone(engine):
    execute(engine, "CREATE TABLE pending_task (id INTEGER)")

    with pytest.raises(ConfigurationError, match=r"pending_task already.*source\.table"):
        set_up(engine)

    assert [column["name"] for column in inspect(engine).get_columns("pending_task")] == ["id"]
    assert inspect(engine).get_table_names() == ["pending_task"]


@pytest.mark.parametrize(
    ("version", "complaint"), [("q9999", "newer than this program.*Upgrade"), (None, "not set up.*task-audit init")]
)
def test_only_this_program_s_version_is_run_on(engine, version, complaint):
    schema = queue_schema(pending_table("pending_task"))
    if version:
        set_up(engine)
        execute(engine, f"UPDATE pending_task_version SET version_num = '{version}'")

    with engine.connect() as connection, pytest.raises(ConfigurationError, match=complaint):
        require_current(connection, schema)
    if version:
        with pytest.raises(ConfigurationError, match=complaint):
            set_up(engine)


def test_a_missing_table_says_what_to_do(engine):
    set_up(engine)
    execute(engine, "DROP TABLE pending_task")

    with pytest.raises(ConfigurationError, match="task-audit init"):
        execute(engine, "INSERT INTO pending_task (task_id) VALUES ('1')")


def test_an_unknown_state_is_refused(engine):
    set_up(engine)

    with pytest.raises(Exception, match="pending_task_state"):
        execute(engine, "INSERT INTO pending_task (task_id, state) VALUES ('1', 'paused')")


@pytest.mark.postgresql
def test_long_texts_of_an_earlier_version_are_shortened_and_stay_apart(postgres_url):
    engine = open_engine(SecretStr(postgres_url), name="the pending database")
    set_up(engine, "audit.Leavers")
    execute(engine, 'ALTER TABLE audit."Leavers" DROP CONSTRAINT "Leavers_task_id"')
    execute(engine, 'ALTER TABLE audit."Leavers_rate" DROP COLUMN shares, DROP COLUMN finding')
    execute(engine, "UPDATE audit.\"Leavers_version\" SET version_num = 'q0004'")
    given = ["1", "x" * 500, "x" * 501, "x" * 502]
    for task_id in given:
        execute(engine, f"INSERT INTO audit.\"Leavers\" (task_id) VALUES ('{task_id}')")

    assert (set_up(engine, "audit.Leavers").before, set_up(engine, "audit.Leavers").before) == ("q0004", HEAD)

    with engine.connect() as connection:
        found = [task_id for (task_id,) in connection.execute(text('SELECT task_id FROM audit."Leavers"'))]
    assert len(set(found)) == len(given)
    assert set(given[:2]) < set(found)
    assert all(len(task_id) <= 500 for task_id in found)
    with pytest.raises(Exception, match="Leavers_task_id"):
        execute(engine, "INSERT INTO audit.\"Leavers\" (task_id) VALUES (repeat('x', 501))")
    engine.dispose()


@pytest.mark.parametrize("name", ["audit.pending_task", "audit.Leavers"])
def test_a_schema_of_its_own(postgres_url, name):
    engine = open_engine(SecretStr(postgres_url), name="the pending database")
    set_up(engine, name)

    assert set_up(engine, name).before == HEAD
    assert set(inspect(engine).get_table_names(schema="audit")) == {
        name.removeprefix("audit."),
        f"{name.removeprefix('audit.')}_rate",
        f"{name.removeprefix('audit.')}_version",
    }
    assert inspect(engine).get_table_names() == []
    engine.dispose()


@pytest.mark.parametrize("queue_url", MYSQL, indirect=True)
def test_another_database_of_mysql(engine):
    name = f"{engine.url.database}_other.Leavers"
    try:
        assert set_up(engine, name).before is None
        assert set_up(engine, name).before == HEAD
        execute(engine, f"INSERT INTO {name} (task_id) VALUES ('1'), ('2')")
        now = datetime.now(UTC)
        selection, lease = Selection(since=datetime(2018, 1, 1, tzinfo=UTC)), timedelta(minutes=5)
        rules = {"owner": "run-1", "lease": lease, "clock": lambda: now, "claims_allowed": 5}
        queue = Queue(engine, pending_table(name), selection, **rules)
        assert [[task.task_id for task in queue.claim(1)] for _ in range(3)] == [["1"], ["2"], []]
        assert inspect(engine).get_table_names() == []
    finally:
        execute(engine, f"DROP DATABASE {engine.url.database}_other")


def test_an_existing_schema_needs_no_right_to_create_one(postgres_url):
    owner = open_engine(SecretStr(postgres_url), name="the pending database")
    execute(owner, "CREATE ROLE plain_user LOGIN")
    execute(owner, "CREATE SCHEMA audit AUTHORIZATION plain_user")
    plain = open_engine(SecretStr(postgres_url.replace("postgres:@", "plain_user@")), name="the pending database")

    try:
        assert set_up(plain, "audit.pending_task").before is None
        with pytest.raises(ConfigurationError, match="permission denied"):
            set_up(plain, "other.pending_task")
    finally:
        plain.dispose()
        execute(owner, "DROP SCHEMA audit CASCADE")
        execute(owner, "DROP ROLE plain_user")
        owner.dispose()
