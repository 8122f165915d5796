"""The job reads the user's own table, with any types of columns, and never writes to it."""

import re
import sqlite3
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from etl.database.connections import open_engine
from etl.errors import ConfigurationError
from etl.settings.model import SourceSettings
from etl.source import read_only
from etl.source.read_only import ReadOnlySource, unclaimed, user_relation
from etl.tasks import ID_EPOCH_MS, ID_TIME_SHIFT, PendingTask, Selection, TaskState, milliseconds
from etl.times import read_span
from tests.conftest import MYSQL

MORNING = datetime(2026, 11, 1, tzinfo=UTC)
PASSWORD = "CANARY-8d1f"


def id_at(instant, number=0):
    return str((milliseconds(instant) - ID_EPOCH_MS << ID_TIME_SHIFT) + number)


class Leavers:
    """A user's database, and the source that reads it."""

    def __init__(self, url):
        self.url = url
        self.engine = open_engine(url, name="the user's database", create=url.get_secret_value().startswith("sqlite"))

    def execute(self, statement, **values):
        with self.engine.begin() as connection:
            return connection.execute(text(statement), values)

    def make(self, id_type="TEXT", time_type="TEXT"):
        self.execute(f"CREATE TABLE leaver (id {id_type}, ordered {time_type}, status TEXT)")

    def add(self, task_id, ordered=None, status="open"):
        values = ", ".join("NULL" if value is None else f"'{value}'" for value in (task_id, ordered, status))
        with self.engine.begin() as connection:
            connection.exec_driver_sql(f"INSERT INTO leaver VALUES ({values})")

    def rows(self):
        with self.engine.connect() as connection:
            return connection.execute(text("SELECT * FROM leaver")).all()

    @contextmanager
    def source(self, *, settled=(), since=None, until=None, url=None, **settings):
        words = {"table": "leaver", "task_id_column": "id", "submitted_at_column": "ordered", **settings}
        from_table = SourceSettings(url=self.url, mode="read_only", **words)
        relation, careful = user_relation(from_table), user_relation(from_table, careful=True)
        engine = open_engine(url or self.url, name="the pending database")
        selection = Selection(since=since, until=until)
        try:
            yield ReadOnlySource(
                engine, relation, selection, settled=lambda page: set(page) & set(settled), careful=careful
            )
        finally:
            engine.dispose()

    def claim(self, **settings):
        with self.source(**settings) as source:
            source.check()
            return all_of(source, 2)


def all_of(source, limit):
    tasks = []
    while claimed := source.claim(limit):
        assert len(claimed) <= limit
        tasks += claimed
    return tasks


@pytest.fixture
def leavers(queue_url):
    """An empty database of a user."""
    leavers = Leavers(queue_url)
    yield leavers
    leavers.engine.dispose()


@pytest.fixture
def postgres_leavers(postgres_url):
    leavers = Leavers(SecretStr(postgres_url))
    yield leavers
    leavers.engine.dispose()


def test_reads_the_oldest_first_and_what_is_no_id_last(leavers):
    leavers.make()
    by_id = id_at(MORNING + timedelta(hours=2))
    leavers.add("3", "2026-11-01T03:00:00Z")
    leavers.add("1", "2026-11-01 09:00:00+08:00")
    leavers.add(by_id)
    leavers.add("no ID at all")
    leavers.add("0", "2026-11-01")
    before = leavers.rows()

    assert leavers.claim() == [
        PendingTask(task_id="0", submitted_at=MORNING),
        PendingTask(task_id="1", submitted_at=MORNING + timedelta(hours=1)),
        PendingTask(task_id=by_id),
        PendingTask(task_id="3", submitted_at=MORNING + timedelta(hours=3)),
        PendingTask(task_id="no ID at all"),
    ]
    assert leavers.rows() == before


@pytest.mark.parametrize("written", ["2026-11-01+08:00", "20261101", "2026-11-01 -08:00"])
def test_a_date_means_its_first_instant_in_the_range_and_in_the_task(leavers, written):
    leavers.make()
    leavers.add(id_at(MORNING + timedelta(days=9)), written)
    (task,) = leavers.claim()

    assert task.submitted_at == read_span(written, now=MORNING).start
    assert leavers.claim(since=task.submitted_at, until=task.submitted_at + timedelta(seconds=1)) == [task]


@pytest.mark.parametrize(("time_type", "number"), [("INTEGER", 1730419200), ("REAL", 2460000.5), ("TEXT", 2460000)])
def test_a_number_of_sqlite_is_no_time(tmp_path, time_type, number):
    leavers = Leavers(SecretStr(f"sqlite:///{tmp_path}/leavers.sqlite"))
    leavers.make(time_type=time_type)
    by_id = id_at(MORNING)
    leavers.add(by_id, number)
    leavers.add("1", "2026-11-01")

    assert PendingTask(task_id=by_id) in leavers.claim()
    assert [task.task_id for task in leavers.claim(since=MORNING, until=MORNING + timedelta(days=1))] == ["1", by_id]
    leavers.engine.dispose()


def test_a_date_whose_month_is_doubtful_is_no_time(leavers):
    leavers.make()
    leavers.add("2", "11/01/2026")
    leavers.add("1", "2026-11-01")

    assert leavers.claim() == [PendingTask(task_id="2"), PendingTask(task_id="1", submitted_at=MORNING)]


@pytest.mark.parametrize("id_type", ["BIGINT", "TEXT", "NUMERIC(19)"])
@pytest.mark.parametrize(
    ("time_type", "written"),
    [
        ("TIMESTAMPTZ", "2026-11-01T08:00:00+08:00"),
        ("TIMESTAMP", "2026-11-01 00:00:00"),
        ("DATE", "2026-11-01"),
        ("TEXT", "2026-11-01T00:00:00Z"),
        ("VARCHAR(30)", "2026-11-01"),
    ],
)
def test_reads_every_type_of_column(postgres_leavers, id_type, time_type, written):
    postgres_leavers.make(id_type, time_type)
    postgres_leavers.add("1534087020903704704", written)

    assert postgres_leavers.claim() == [PendingTask(task_id="1534087020903704704", submitted_at=MORNING)]


@pytest.mark.parametrize("queue_url", MYSQL, indirect=True)
@pytest.mark.parametrize(
    ("id_type", "time_type", "written"),
    [
        ("BIGINT", "TIMESTAMP", "2026-11-01 00:00:00"),
        ("VARCHAR(30)", "DATETIME", "2026-11-01 00:00:00"),
        ("DECIMAL(19)", "DATE", "2026-11-01"),
        ("CHAR(19)", "VARCHAR(30)", "2026-11-01T00:00:00Z"),
        ("TEXT", "VARCHAR(40)", " 2026-11-01T08:00:00.0000009 +08:00 "),
        ("BIGINT UNSIGNED", "TEXT", "2026-10-31 19:00-05:00"),
        ("VARBINARY(30)", "TEXT", "20261101T000000Z"),
    ],
)
def test_reads_every_type_of_mysql(leavers, id_type, time_type, written):
    leavers.make(id_type, time_type)
    leavers.add("1534087020903704704", written)

    assert leavers.claim() == [PendingTask(task_id="1534087020903704704", submitted_at=MORNING)]


def test_reads_numbers_of_sqlite(tmp_path):
    leavers = Leavers(SecretStr(f"sqlite:///{tmp_path}/leavers.sqlite"))
    leavers.make("INTEGER")
    leavers.add("1534087020903704704")

    assert leavers.claim() == [PendingTask(task_id="1534087020903704704")]
    leavers.engine.dispose()


def test_the_time_in_the_id_replaces_a_missing_column(leavers):
    leavers.make()
    later, earlier = id_at(MORNING + timedelta(days=1)), id_at(MORNING)
    leavers.add(later, "2020-01-01")
    leavers.add(earlier, "2030-01-01")

    assert leavers.claim(submitted_at_column=None) == [PendingTask(task_id=earlier), PendingTask(task_id=later)]


def test_reads_a_view(leavers):
    leavers.make()
    leavers.add("1")
    leavers.add("2", status="closed")
    leavers.execute("CREATE VIEW open_leaver AS SELECT id AS task, ordered FROM leaver WHERE status = 'open'")

    assert leavers.claim(table="open_leaver", task_id_column="task") == [PendingTask(task_id="1")]


def test_reads_a_schema_and_names_in_capitals(postgres_leavers):
    postgres_leavers.execute("CREATE SCHEMA hr")
    postgres_leavers.execute('CREATE TABLE hr."Leaver" ("TaskID" BIGINT, "When" DATE)')
    postgres_leavers.execute("INSERT INTO hr.\"Leaver\" VALUES (7, '2026-11-01')")

    assert postgres_leavers.claim(table="hr.Leaver", task_id_column="TaskID", submitted_at_column="When") == [
        PendingTask(task_id="7", submitted_at=MORNING)
    ]


@pytest.mark.parametrize(
    "where",
    [
        "status = 'open'",
        "status = 'closed' OR status LIKE 'op%'",
        "status <> 'closed :now' AND status <> ':x'",
        "status <> 'closed' AND CAST(id AS CHAR) <> '%s'",
    ],
)
def test_a_condition_is_used_as_it_is(leavers, where):
    leavers.make()
    leavers.add("1")
    leavers.add("2", status="closed :now" if ":now" in where else "done" if "LIKE" in where else "closed")

    assert leavers.claim(where=where) == [PendingTask(task_id="1")]


def test_a_condition_may_cast_as_postgresql_does(postgres_leavers):
    postgres_leavers.make()
    postgres_leavers.add("1", "2026-11-01")

    assert postgres_leavers.claim(where="ordered::date > '2026-10-31'::date - 7") == [
        PendingTask(task_id="1", submitted_at=MORNING)
    ]


def test_rows_without_an_id_are_skipped_and_each_id_is_asked_about_once(leavers):
    leavers.make()
    leavers.add(None, "2026-11-01")
    leavers.add("1", "2026-11-02")
    leavers.add("1", "2026-11-01")
    leavers.add("1")

    assert leavers.claim() == [PendingTask(task_id="1", submitted_at=MORNING)]


@pytest.mark.parametrize("page_rows", [1, 2, 3, 7])
def test_pages_across_equal_times(leavers, monkeypatch, page_rows):
    monkeypatch.setattr(read_only, "PAGE_ROWS", page_rows)
    leavers.make()
    expected = [f"{number:02}" for number in range(10)]
    for task_id in reversed(expected):
        leavers.add(task_id, "2026-11-01")

    assert [task.task_id for task in leavers.claim()] == expected


def test_settled_tasks_are_left_out(leavers, monkeypatch):
    monkeypatch.setattr(read_only, "PAGE_ROWS", 2)
    leavers.make()
    for number in range(7):
        leavers.add(str(number), "2026-11-01")

    # The second page holds only settled tasks.
    tasks = leavers.claim(settled={"0", "2", "3", "6"})

    assert [task.task_id for task in tasks] == ["1", "4", "5"]


def test_selects_a_range(leavers):
    leavers.make()
    leavers.add("1", "2026-10-31T23:59:59.999Z")
    leavers.add("2", "2026-11-01")
    leavers.add("3", "2026-11-02")
    leavers.add("no ID at all")

    tasks = leavers.claim(since=MORNING, until=MORNING + timedelta(days=1))

    assert [task.task_id for task in tasks] == ["2"]


def test_an_empty_table_has_no_tasks(leavers):
    leavers.make()

    assert leavers.claim() == []


def test_a_read_only_source_writes_nothing(leavers):
    leavers.make()
    leavers.add("1")
    before = leavers.rows()

    with leavers.source() as source:
        tasks = source.claim(9)
        assert source.count() is None
        source.renew(tasks)
        source.settle([])
        source.release(tasks)

    assert leavers.rows() == before


def test_a_file_of_the_user_s_is_not_touched(tmp_path):
    file = tmp_path / "leavers.sqlite"
    user = sqlite3.connect(file)
    user.executescript("CREATE TABLE leaver (id, ordered); INSERT INTO leaver (id) VALUES ('1');")
    user.close()
    leavers = Leavers(SecretStr(f"sqlite:///{file}"))
    before = file.read_bytes()

    assert leavers.claim() == [PendingTask(task_id="1")]
    assert leavers.claim(url=SecretStr(f"sqlite:///file:{file}?mode=ro&uri=true")) == [PendingTask(task_id="1")]

    assert file.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == [file.name]


def test_the_right_to_select_is_enough(postgres_leavers):
    postgres_leavers.make()
    postgres_leavers.add("1", "2026-11-01")
    postgres_leavers.execute("CREATE ROLE reader LOGIN")
    postgres_leavers.execute("GRANT SELECT ON leaver TO reader")
    url = SecretStr(postgres_leavers.url.get_secret_value().replace("postgres:@", f"reader:{PASSWORD}@"))

    try:
        assert postgres_leavers.claim(url=url) == [PendingTask(task_id="1", submitted_at=MORNING)]
        postgres_leavers.execute("REVOKE SELECT ON leaver FROM reader")
        with pytest.raises(ConfigurationError, match="permission denied") as refused:
            postgres_leavers.claim(url=url)
        assert PASSWORD not in str(refused.value)
    finally:
        postgres_leavers.execute("DROP OWNED BY reader")
        postgres_leavers.execute("DROP ROLE reader")


def test_a_condition_cannot_write(postgres_leavers):
    postgres_leavers.make()
    postgres_leavers.add("1")
    postgres_leavers.execute("CREATE FUNCTION grab() RETURNS boolean LANGUAGE sql AS 'DELETE FROM leaver; SELECT true'")

    with pytest.raises(Exception, match="read-only transaction"):
        postgres_leavers.claim(where="grab()")

    assert len(postgres_leavers.rows()) == 1


@pytest.mark.parametrize("queue_url", MYSQL, indirect=True)
def test_a_condition_of_mysql_cannot_write(leavers):
    leavers.make()
    leavers.add("1")
    leavers.execute("CREATE FUNCTION grab() RETURNS INT MODIFIES SQL DATA BEGIN DELETE FROM leaver; RETURN 1; END")

    with pytest.raises(Exception, match="READ ONLY transaction"):
        leavers.claim(where="grab() = 1")

    assert len(leavers.rows()) == 1


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"table": "nobody"}, "nobody"),
        ({"task_id_column": "TaskID"}, "TaskID"),
        ({"submitted_at_column": "nothing"}, "nothing"),
        ({"where": "no_such = 1"}, "no_such"),
        ({"where": "status ="}, "syntax error|SQL syntax"),
        ({"where": "1 = 1) --"}, "syntax error|SQL syntax|incomplete input"),
    ],
)
def test_a_wrong_setting_is_reported_in_one_line(leavers, settings, complaint):
    leavers.make()

    with pytest.raises(ConfigurationError, match=complaint) as refused:
        leavers.claim(**settings)

    assert "\n" not in str(refused.value)
    assert str(refused.value).startswith("[source-unreadable] The pending tasks cannot be read as configured: ")
    assert "source.where" in str(refused.value)


ODD_TIMES = ["soon", "now", "infinity", "", "11/01/2026", "2026-02-29", "2026-11-01 25:00"]


def test_a_value_that_is_no_time_is_named_and_the_time_in_the_id_counts(leavers, capsys):
    leavers.make()
    by_id = {id_at(MORNING + timedelta(hours=number)): odd for number, odd in enumerate(ODD_TIMES)}
    for task_id, odd in by_id.items():
        leavers.add(task_id, odd)
    leavers.add("1", "2028-02-29T00:00:00Z")

    *odd, good = leavers.claim()

    # SQLite sorts a 29 February as the day after the 28th.
    assert set(odd) == {PendingTask(task_id=task_id) for task_id in by_id}
    assert good == PendingTask(task_id="1", submitted_at=datetime(2028, 2, 29, tzinfo=UTC))
    # Another test of this process may have chosen the stream and the format.
    line = re.sub(r"\x1b\[[0-9;]*m", "", "".join(capsys.readouterr()))
    assert "times_unreadable" in line
    assert re.search(rf"tasks\W+{len(ODD_TIMES)}\b", line)
    assert next(iter(by_id)) in line


@pytest.mark.parametrize("time_type", ["TIMESTAMPTZ", "TIMESTAMP", "DATE"])
@pytest.mark.parametrize("odd", ["infinity", "-infinity", "0044-03-15 BC", "20260-01-01"])
def test_a_time_of_postgresql_that_python_cannot_hold_is_named(postgres_leavers, time_type, odd):
    postgres_leavers.make(time_type=time_type)
    postgres_leavers.add("2", odd)
    postgres_leavers.add("1", "2026-11-01")

    assert postgres_leavers.claim() == [PendingTask(task_id="2"), PendingTask(task_id="1", submitted_at=MORNING)]


def test_a_column_without_times_is_reported_in_one_line(leavers):
    leavers.make()
    for number in range(read_only.ROWS_TO_JUDGE):
        leavers.add(str(number), "soon")

    with pytest.raises(ConfigurationError, match=r"None of 10 times.*source\.submitted_at_column") as refused:
        leavers.claim()

    assert "\n" not in str(refused.value)
    # The column may be the wrong one, and hold names.
    assert "soon" not in str(refused.value)


def test_a_dry_run_reads_the_queue_without_claiming(board, ids):
    board.add("1", "2")
    board.add("3", state="done")
    board.add("4", state="dead")
    board.queue("other").claim(1)
    before = board.rows()

    def due(**selection):
        chosen = Selection(**selection)
        source = ReadOnlySource(
            board.engine, unclaimed(board.table, chosen, now=board.now), chosen, settled=lambda _page: set()
        )
        return ids(all_of(source, 10))

    assert due() == ["1", "2"]
    assert due(refetch=True) == ["1", "2", "3"]
    assert due(until=MORNING) == ["1", "2"]
    assert due(since=MORNING) == []
    assert board.rows() == before
    assert {row["state"] for row in before.values()} == set(TaskState)


@pytest.mark.parametrize("page_rows", [1, 3, 5_000])
def test_claims_in_turns_read_from_both_ends_and_each_task_once(leavers, monkeypatch, page_rows):
    monkeypatch.setattr(read_only, "PAGE_ROWS", page_rows)
    leavers.make()
    for number in range(1, 10):
        leavers.add(number, f"2026-11-0{number}")
    leavers.add("no ID", "2026-11-03")
    with leavers.source(settled=["7"]) as source:
        claims = [[task.task_id for task in source.claim(2, in_turns=turn != 2)] for turn in range(7)]
    assert claims[0] == ["9", "8"][:page_rows]
    assert claims[1] == ["1", "2"][:page_rows]
    claimed = [task_id for claim in claims for task_id in claim]
    if page_rows > 1:
        assert sorted(claimed) == [*"12345689", "no ID"]
        assert claimed[-1] == "no ID"
    assert len(set(claimed)) == len(claimed)
