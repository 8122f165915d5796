"""The counts of plan and status are those of a plain count in Python, on every engine and for all texts and times."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert

from etl.source.backlog_by_day import DayCounts, backlog_by_day
from etl.source.overview import StateOverview, overview
from etl.source.waiting import waiting_tasks
from etl.tasks import Selection, WaitingTasks, instant_of, is_valid_task_id, milliseconds, time_in_id
from tests.source.conftest import NOON, Board

LEASE = timedelta(minutes=5)
HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(days=7)
MILLISECOND = timedelta(milliseconds=1)
MIDNIGHT = datetime(2026, 11, 2, tzinfo=UTC)
EDGES = [MIDNIGHT, NOON - DAY, NOON - WEEK, datetime(1970, 1, 1, tzinfo=UTC), datetime(2, 1, 1, tzinfo=UTC)]

submissions = st.builds(
    lambda edge, number: max(edge + number * MILLISECOND, EDGES[-1]), st.sampled_from(EDGES), st.integers(-2, 2)
)
valid_ids = submissions.filter(lambda at: at.year > 2018).map(Board.id_at) | st.integers(0, 10**19 - 1).map(str)
task_ids = valid_ids | valid_ids.map(lambda each: each.zfill(19)) | st.from_regex(r"[0-9:é/ -]{0,21}x?", fullmatch=True)
times = st.none() | st.sampled_from([NOON - HOUR, NOON, NOON + MILLISECOND, NOON + HOUR, NOON + 3 * DAY])
rows = st.fixed_dictionaries(
    {
        "task_id": task_ids,
        "submitted_at": st.none() | st.none() | submissions,
        "state": st.sampled_from(["pending", "pending", "done", "dead"]),
        "attempts": st.integers(0, 1),
        "lease_until": times,
        "next_check_at": times,
        "last_checked_at": times,
        "last_status": st.none() | st.just(1),
    }
)
selections = st.builds(
    Selection,
    since=st.none() | submissions,
    until=st.none() | submissions,
    refetch=st.booleans(),
    recheck=st.booleans(),
)

UNREADABLE = {
    "submitted_at": None,
    "state": "pending",
    "attempts": 0,
    "lease_until": None,
    "next_check_at": None,
    "last_checked_at": None,
    "last_status": None,
    # The first 18 characters are those of an ID of this day, and another text is longer than every ID.
    "task_id": Board.id_at(NOON)[:18] + "x",
}


def position_of(row):
    if row["submitted_at"] is not None:
        return milliseconds(row["submitted_at"])
    return milliseconds(time_in_id(row["task_id"])) if is_valid_task_id(row["task_id"]) else 0


def is_held(row, longest=LEASE):
    until = row["lease_until"]
    return until is not None and NOON < until <= NOON + longest + timedelta(minutes=1)


def is_later(row):
    next_at, checked_at = row["next_check_at"], row["last_checked_at"]
    may_be_believed = checked_at is None or checked_at <= NOON + timedelta(minutes=1)
    return next_at is not None and NOON < next_at <= NOON + DAY + timedelta(minutes=1) and may_be_believed


def is_selected(row, selection):
    position, since, until = position_of(row), selection.since, selection.until
    if since is None and until is None:
        return True
    is_after = since is None or position >= milliseconds(since)
    return position != 0 and is_after and (until is None or position < milliseconds(until))


def kind_of(row, selection):
    if is_held(row):
        return "held"
    if selection.waits and is_later(row):
        return "later"
    if row["state"] == "done":
        return "again"
    if row["attempts"]:
        return "failed_before"
    return "new" if row["last_checked_at"] is None else "still_open"


def days_of(rows, selection):
    states = ["pending", "done"] if selection.refetch else ["pending"]
    days = {}
    for row in rows:
        if row["state"] in states and is_selected(row, selection):
            position = position_of(row)
            day = instant_of(position).date() if position else None
            days.setdefault(day, Counter(new=0))[kind_of(row, selection)] += 1
    return [DayCounts(day=day, **days[day]) for day in sorted(days, key=lambda each: each or date.min)]


def state_of(state, rows):
    positions = [position_of(row) for row in rows if row["state"] == state]
    young = sum(position >= milliseconds(NOON - DAY) for position in positions)
    recent = sum(position >= milliseconds(NOON - WEEK) for position in positions)
    return StateOverview(
        state=state,
        tasks=len(positions),
        leased=sum(is_held(row, DAY) for row in rows if row["state"] == state),
        under_a_day=young,
        under_a_week=recent - young,
        older=len(positions) - recent,
        oldest_submitted_at=min((instant_of(each) for each in positions if each), default=None),
    )


def waiting_of(rows, selection):
    found = [
        row["next_check_at"]
        for row in rows
        if row["state"] == "pending" and row["last_status"] and is_later(row) and is_selected(row, selection)
    ]
    return WaitingTasks(tasks=len(found), next_at=min(found, default=None), last_at=max(found, default=None))


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(rows, max_size=12, unique_by=lambda row: row["task_id"]), selections)
@example([UNREADABLE, {**UNREADABLE, "task_id": Board.id_at(NOON), "next_check_at": NOON + HOUR}], Selection())
@example([UNREADABLE, {**UNREADABLE, "task_id": "9" * 20}], Selection(since=MIDNIGHT))
def test_every_count_is_that_of_python(board, rows, selection):
    board.clear()
    with board.engine.begin() as connection:
        if rows:
            connection.execute(insert(board.table), rows)
    opened = board.engine, board.table
    assert backlog_by_day(*opened, selection, now=NOON, lease=LEASE) == days_of(rows, selection)
    assert waiting_tasks(*opened, selection, now=NOON) == waiting_of(rows, selection)
    counted = overview(*opened, now=NOON)
    assert counted.states == [state_of(state, rows) for state in sorted({row["state"] for row in rows})]
    assert counted.waiting == waiting_of(rows, Selection())
