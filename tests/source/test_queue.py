"""The tasks that a claim takes, and their order, the same on every engine."""

from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import chain, pairwise
from threading import Barrier, Thread

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl.tasks import PendingTask, TaskState

MORNING = datetime(2026, 11, 1, tzinfo=UTC)


def test_a_claim_takes_the_oldest_first_in_every_form_of_a_time(board, ids):
    by_id = board.id_at(MORNING + timedelta(hours=2))
    board.add("17", submitted_at="2026-11-01T23:59:59.999999Z")
    board.add("15", submitted_at="2026-11-01T01:00:04.250001")
    board.add("13", submitted_at="2026-11-01T00:00:02Z")
    board.add(by_id)
    board.add("11", submitted_at="2026-11-01")
    board.add("16", submitted_at="2026-11-01 12:00:00.5 +08:00")
    board.add("14", submitted_at="2026-11-01 09:00:03+08:00")
    board.add("12", submitted_at="2026-11-01 00:00:01")
    board.add("no ID at all", "-1", "")

    queue = board.queue()

    tasks = queue.claim(100)
    assert ids(tasks) == ["11", "12", "13", "14", "15", by_id, "16", "17"]
    assert ids(queue.claim(100)) == ["", "-1", "no ID at all"]
    assert {task.task_id: task.submitted_at for task in tasks if task.submitted_at} == {
        "11": MORNING,
        "12": MORNING + timedelta(seconds=1),
        "13": MORNING + timedelta(seconds=2),
        "14": MORNING + timedelta(hours=1, seconds=3),
        "15": MORNING + timedelta(hours=1, seconds=4, microseconds=250_001),
        "16": MORNING + timedelta(hours=4, milliseconds=500),
        "17": MORNING + timedelta(days=1, microseconds=-1),
    }


def test_claims_texts_that_are_no_task_ids_after_all_tasks(board, ids):
    good = [board.id_at(MORNING), "1", "9" * 19]
    bad = ["1" * 20, " 1", "1 ", "1\n", "+1", "1.0", "1e5", "\N{ARABIC-INDIC DIGIT THREE}", "\N{FULLWIDTH DIGIT ONE}"]
    board.add(*bad, submitted_at="2020-01-01")
    board.add(*good)
    queue = board.queue()
    assert set(ids(queue.claim(100))) == set(good)
    assert set(ids(queue.claim(100))) == set(bad)
    assert queue.claim(100) == []


def test_a_plain_insert_may_use_the_database_s_own_time(board):
    board.execute("INSERT INTO pending_task (task_id, submitted_at) VALUES ('1', CURRENT_TIMESTAMP)")

    (task,) = board.queue().claim(1)

    assert abs(task.submitted_at - datetime.now(UTC)) < timedelta(minutes=1)


def test_a_plain_insert_adds_a_task(board):
    board.execute("INSERT INTO pending_task (task_id) VALUES (1534087020903704704), ('0001')")

    assert board.queue().claim(9) == [
        PendingTask(task_id="0001", attempts=1, fence=1),
        PendingTask(task_id="1534087020903704704", attempts=1, fence=1),
    ]


def test_a_claim_takes_no_more_than_the_limit(board, ids):
    task_ids = [board.id_at(MORNING, number) for number in range(25)]
    board.add(*reversed(task_ids))

    claims = list(iter(partial(board.queue().claim, 10), []))

    assert [len(claim) for claim in claims] == [10, 10, 5]
    assert ids(chain.from_iterable(claims)) == task_ids


def test_two_runs_share_the_table(board, ids):
    board.add("1", "2", "3")
    one, other = board.queue("one"), board.queue("other")

    assert ids(one.claim(2)) == ["1", "2"]
    assert ids(other.claim(9)) == ["3"]
    assert one.claim(9) == other.claim(9) == []


@pytest.mark.parametrize(("state", "error"), [(TaskState.PENDING, None), (None, "timeout")])
def test_a_task_that_is_still_open_waits_for_the_next_run(board, ids, state, error):
    board.add("1")
    queue = board.queue()
    queue.settle([board.settled(task, state, error=error) for task in queue.claim(1)])

    assert queue.claim(1) == []
    board.now = board.at(1)
    assert ids(board.queue("next").claim(1)) == ["1"]


@pytest.mark.parametrize("state", ["done", "dead"])
def test_a_settled_task_is_not_claimed(board, state):
    board.add("1", state=state)

    assert board.queue().claim(1) == []


def test_a_task_is_not_claimed_before_its_next_check(board, ids):
    board.add("1")
    board.execute("UPDATE pending_task SET next_check_at = '2026-11-02 12:30:00.000000'")

    assert board.queue().claim(1) == []
    board.now = board.at(30)
    assert ids(board.queue().claim(1)) == ["1"]


def test_a_refetch_asks_again_for_what_is_done(board, ids):
    board.add("1", state="done")
    board.add("2", state="dead")
    board.add("3")

    assert ids(board.queue(refetch=True).claim(9)) == ["1", "3"]


def test_a_refetch_that_fails_leaves_a_task_done(board):
    board.add("1", state="done")
    queue = board.queue(refetch=True)

    queue.settle([board.settled(task, None, error="timeout") for task in queue.claim(1)])

    assert (board.row("1")["state"], board.row("1")["last_error"]) == ("done", "timeout")
    assert queue.claim(1) == []


def test_a_range_includes_its_start_and_not_its_end(board, ids):
    for task_id, submitted_at in {
        "1": "2026-10-31T23:59:59.999999Z",
        "2": "2026-11-01T00:00:00Z",
        "3": "2026-11-01T23:59:59.999999Z",
        "4": "2026-11-02",
    }.items():
        board.add(task_id, submitted_at=submitted_at)
    by_id = board.id_at(MORNING)
    board.add(by_id, "no ID at all")

    tasks = board.queue(since=MORNING, until=MORNING + timedelta(days=1)).claim(9)

    assert ids(tasks) == ["2", by_id, "3"]


@pytest.mark.parametrize("bound", ["since", "until"])
def test_an_id_without_a_time_is_in_no_range(board, bound):
    board.add("no ID at all")
    instant = datetime(1960, 1, 1, tzinfo=UTC) if bound == "since" else MORNING

    assert board.queue(**{bound: instant}).count() == 0
    assert board.queue().count() == 1


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    microseconds=st.lists(st.integers(-2_000, 5_000), min_size=1, max_size=12),
    cuts=st.lists(st.integers(-3, 6), min_size=1, max_size=4, unique=True),
)
def test_adjacent_ranges_neither_overlap_nor_leave_a_gap(board, microseconds, cuts):
    board.clear()
    for number, each in enumerate(microseconds):
        board.add(str(number), submitted_at=(MORNING + timedelta(microseconds=each)).isoformat())
    bounds = [None, *(MORNING + timedelta(milliseconds=cut) for cut in sorted(cuts)), None]

    counts = [board.queue(since=since, until=until).count() for since, until in pairwise(bounds)]

    edges = [-9_000, *(cut * 1_000 for cut in sorted(cuts)), 9_000]
    assert counts == [sum(since <= each < until for each in microseconds) for since, until in pairwise(edges)]


def test_a_run_finds_tasks_that_others_release_behind_its_position(board, ids):
    board.add("1", "2", "3")
    one, other = board.queue("one"), board.queue("other")
    early = other.claim(1)
    assert ids(one.claim(1)) == ["2"]
    other.release(early)

    assert ids(one.claim(1)) == ["3"]
    assert ids(one.claim(1)) == ["1"]
    assert one.claim(1) == []


def test_count_is_the_number_of_due_tasks(board):
    board.add("1", "2", "3", "4")
    board.add("5", state="done")
    board.queue("other").claim(1)

    assert board.queue().count() == 3
    assert board.queue(refetch=True).count() == 4


def test_many_runs_at_once_claim_every_task_exactly_once(board):
    task_ids = [board.id_at(MORNING, number) for number in range(2_000)]
    with board.engine.begin() as connection:
        connection.execute(
            board.table.insert().values(state="pending", attempts=0, fence=0),
            [{"task_id": task_id} for task_id in task_ids],
        )
    claimed, barrier = [], Barrier(4)

    def run(owner):
        queue = board.queue(owner)
        barrier.wait()
        claimed.extend(task.task_id for tasks in iter(partial(queue.claim, 23), []) for task in tasks)

    threads = [Thread(target=run, args=(f"run-{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(claimed) == task_ids
    assert {row["attempts"] for row in board.rows().values()} == {1}


def test_a_claim_reads_the_index_and_sorts_nothing_even_without_statistics(board, ids):
    if board.engine.dialect.name == "postgresql":
        board.execute(
            "INSERT INTO pending_task (task_id, submitted_at, state) SELECT 1534087020903704704 + n, CASE WHEN "
            "n % 10 = 0 THEN NULL ELSE TIMESTAMPTZ '2026-10-01Z' + n * INTERVAL '1 second' END, "
            "CASE WHEN n % 2 = 0 THEN 'done' ELSE 'pending' END FROM generate_series(1, 200000) AS n"
        )
    queue = board.queue(since=datetime(2026, 9, 1, tzinfo=UTC))
    board.add("1", "2", submitted_at="2026-10-01")

    # The second claim begins at a position.
    plans = [board.explain(lambda: queue.claim(1)) for _ in range(2)]

    for plan in plans:
        assert "pending_task_due" in plan
        for slow in ('"Sort"', '"Seq Scan"', "TEMP B-TREE", "SCAN pending_task", "filesort", '"ALL"'):
            assert slow not in plan


def test_a_task_that_was_checked_in_the_future_is_due_once_and_counted(board, ids):
    """The clock of the machine of an earlier run was days ahead."""
    board.add("1", "2", "3")
    ahead, settled = board.queue("ahead"), board.now
    board.now = board.at(3 * 24 * 60)
    ahead.settle([board.settled(task, TaskState.PENDING) for task in ahead.claim(2)])
    board.now = settled

    run = board.queue("run-2")
    assert (run.count_checked_in_future(), run.count()) == (2, 3)
    tasks = run.claim(9)
    assert ids(tasks) == ["1", "2", "3"]
    board.now = board.at(1)
    run.settle([board.settled(task, TaskState.PENDING) for task in tasks])
    assert (run.claim(9), run.count(), run.count_checked_in_future()) == ([], 0, 0)


def test_a_next_check_beyond_any_waiting_time_is_due(board, ids):
    board.add("1", "2", next_check_at="2026-11-03 11:00:00")
    board.execute("UPDATE pending_task SET next_check_at = '2027-11-03 11:00:00' WHERE task_id = '2'")
    assert ids(board.queue().claim(9)) == ["2"]
