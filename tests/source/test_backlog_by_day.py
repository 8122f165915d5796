"""The pending tasks by day: the same on every engine, and from the index where the time of each row costs much."""

import json
from datetime import UTC, date, datetime, timedelta

import pytest

from etl.source.backlog_by_day import DayCounts, backlog_by_day
from etl.source.overview import overview
from etl.tasks import Selection

LEASE = timedelta(minutes=5)
SUBMITTED = [
    *("0002-01-01T00:00:00Z", "1969-12-31T23:59:59.999Z", "1970-01-01T00:00:00Z", "1970-01-01T00:00:00.001Z"),
    *("2026-10-31T23:59:59.999Z", "2026-11-01T00:00:00Z", "2026-11-01T23:59:59.999Z", "9998-12-31T12:00:00Z"),
]


@pytest.fixture
def board_of_all_days(board):
    for number, submitted_at in enumerate(SUBMITTED):
        board.add(f"{number}", submitted_at=submitted_at)
    board.add(board.id_at(datetime(2026, 11, 1, 12, tzinfo=UTC)))
    board.add("no-id", "neither")
    board.add("failed", submitted_at="2026-11-01T12:00:00Z", attempts=2)
    board.add("done", submitted_at="2026-11-01T12:00:00Z", state="done")
    return board


def counted(board, **selection):
    return backlog_by_day(board.engine, board.table, Selection(**selection), now=board.now, lease=LEASE)


def test_every_task_is_counted_on_its_day(board_of_all_days):
    found = counted(board_of_all_days)
    # The first instant of 1970 stands for no time.
    assert found == [
        DayCounts(day=None, new=3),
        DayCounts(day=date(2, 1, 1), new=1),
        DayCounts(day=date(1969, 12, 31), new=1),
        DayCounts(day=date(1970, 1, 1), new=1),
        DayCounts(day=date(2026, 10, 31), new=1),
        DayCounts(day=date(2026, 11, 1), new=3, failed_before=1),
        DayCounts(day=date(9998, 12, 31), new=1),
    ]


def test_the_days_of_a_year(board):
    midnights = [datetime(2026, 11, 1, tzinfo=UTC) - timedelta(days=each) for each in range(365)]
    before = timedelta(milliseconds=1)
    board.add(*(board.id_at(midnight) for midnight in midnights))
    board.add(*(board.id_at(midnight - before) for midnight in midnights[:100]))
    board.add("no-id", "9" * 18 + "x", "0" * 20)
    found = counted(board)
    assert found[0] == DayCounts(day=None, new=3)
    of_day = {midnight.date(): DayCounts(day=midnight.date(), new=1) for midnight in midnights}
    for midnight in midnights[:100]:
        day = (midnight - before).date()
        of_day[day] = DayCounts(day=day, new=2)
    assert found[1:] == [of_day[day] for day in sorted(of_day)]


def test_a_range_and_done_tasks(board_of_all_days):
    noon = datetime(2026, 11, 1, 12, tzinfo=UTC)
    until_noon = counted(board_of_all_days, since=datetime(1969, 1, 1, tzinfo=UTC), until=noon, refetch=True)
    assert until_noon == [
        DayCounts(day=date(1969, 12, 31), new=1),
        DayCounts(day=date(1970, 1, 1), new=1),
        DayCounts(day=date(2026, 10, 31), new=1),
        DayCounts(day=date(2026, 11, 1), new=1),
    ]
    from_noon_on = counted(board_of_all_days, since=noon, refetch=True)
    assert from_noon_on == [
        DayCounts(day=date(2026, 11, 1), new=2, failed_before=1, again=1),
        DayCounts(day=date(9998, 12, 31), new=1),
    ]


def test_postgresql_computes_no_time_of_a_row_that_it_counts(board):
    if board.engine.dialect.name != "postgresql":
        pytest.skip("only PostgreSQL does not take the time from the index")
    board.add(*(board.id_at(board.now - timedelta(hours=each)) for each in range(1_000)))
    board.execute("ANALYZE pending_task")
    for count in (lambda: counted(board), lambda: overview(board.engine, board.table, now=board.now)):
        plans = json.loads(board.explain(count))
        scans = [node for (plan,) in plans for node in _nodes(plan[0]["Plan"]) if "Scan" in node["Node Type"]]
        by_time = [scan for scan in scans if "floor" in scan.get("Index Cond", "")]
        assert len(by_time) >= 2
        # Only a look for the next day, which ends at its first row, leaves out IDs without a time.
        computed = [scan["Filter"] for scan in scans if "floor" in scan.get("Filter", "")]
        assert [condition for condition in computed if "<> '0'" not in condition] == []


def test_postgresql_counts_millions_in_parallel_and_in_one_pass(board):
    if board.engine.dialect.name != "postgresql":
        pytest.skip("only PostgreSQL reads a table in parallel")
    first = board.id_at(board.now - timedelta(days=3))
    board.execute(
        f"INSERT INTO pending_task (task_id) SELECT ({first} + n * 42949672960)::text FROM generate_series(1, 50000) n"
    )
    board.execute("ANALYZE pending_task")
    as_if_large = {"parallel_setup_cost": 0, "min_parallel_table_scan_size": 0, "max_parallel_workers_per_gather": 2}
    for count in (lambda: counted(board), lambda: overview(board.engine, board.table, now=board.now)):
        plans = json.loads(board.explain(count, **as_if_large))
        nodes = [node for (plan,) in plans for node in _nodes(plan[0]["Plan"])]
        scans = [node for node in nodes if node["Node Type"] == "Seq Scan"]
        assert [scan["Parallel Aware"] for scan in scans] == [True]
        assert "Partial" in [node.get("Partial Mode") for node in nodes]


def _nodes(plan):
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)
