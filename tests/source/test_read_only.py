"""The job reads the user's own table, with any types of columns, and never writes to it."""

import sqlite3
from datetime import timedelta

import pytest
from pydantic import SecretStr

from etl.errors import ConfigurationError
from etl.source import read_only
from etl.source.read_only import ReadOnlySource, unclaimed
from etl.tasks import PendingTask, Selection, TaskState
from tests.conftest import MYSQL
from tests.source.leavers import MORNING, Leavers, all_of, id_at

PASSWORD = "CANARY-8d1f"


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
