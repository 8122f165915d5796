"""Claims in turns reach every part of the due tasks, whatever a program has added in front of them."""

from collections import Counter
from datetime import timedelta
from itertools import chain

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

TURNS = 5
"""The newest tasks, those asked about before, those of dead runs, some at random, and the oldest."""


def in_turns(queue, limit, claims):
    return [[task.task_id for task in queue.claim(limit, in_turns=True)] for _ in range(claims)]


@pytest.fixture(name="flooded")
def _flooded(board):
    """A flood of old tasks in front of two new ones, two that were open at the last look, and two of a dead run."""
    asked, left = ["1", "2"], ["3", "4"]
    board.add(*asked, *left)
    earlier = board.queue("earlier")
    earlier.settle([board.still_open(task, minutes=1) for task in earlier.claim(2)])
    assert len(board.queue("dead").claim(2)) == 2
    board.now = board.at(10)
    flood = [board.id_at(board.at(0) - timedelta(days=1), number) for number in range(200)]
    new = [board.id_at(board.at(minute)) for minute in (1, 2)]
    board.add(*flood, submitted_at="0002-01-01T00:00:00Z")
    board.add(*new)
    return flood, new, asked, left


def test_each_part_of_the_due_tasks_has_its_turn(board, flooded):
    flood, new, asked, left = flooded
    newest, asked_before, left_behind, random, oldest = in_turns(board.queue(), 2, TURNS)
    assert (newest, asked_before, left_behind) == (new[::-1], asked, left)
    assert len({*random, *oldest} & {*flood}) == 4
    assert oldest == [task_id for task_id in flood if task_id not in random][:2]


def test_a_part_without_tasks_has_no_more_turns(board, ids):
    board.add("1", "2", "3", "4", "5", "6")
    queue = board.queue()
    newest, random, oldest, newest_again = in_turns(queue, 1, 4)
    assert (newest, oldest) == (["6"], ["1"] if random != ["1"] else ["2"])
    assert newest_again < newest
    assert len({*newest, *random, *oldest, *newest_again}) == 4
    # The usual order is as it was.
    assert ids(queue.claim(9)) == sorted({"1", "2", "3", "4", "5", "6"} - {*newest, *random, *oldest, *newest_again})
    assert in_turns(queue, 1, 1) == [[]]


def test_tasks_of_dead_runs_before_the_position_of_the_turns_are_claimed_after_them(board, ids):
    board.add("1", "2", "3")
    board.queue("dies later", lease_minutes=20).claim(1)
    board.queue("dead").claim(2)
    board.now = board.at(10)
    queue = board.queue(lease_minutes=20)
    assert in_turns(queue, 1, 1) == [["2"]]
    board.now = board.at(21)
    assert [ids(queue.claim(9)) for _ in range(3)] == [["3"], ["1"], []]


def test_the_texts_that_are_no_ids_come_last(board):
    board.add("no ID", "-1", submitted_at="9998-01-01")
    board.add("1", submitted_at="2026-01-01")
    assert in_turns(board.queue(), 5, 2) == [["1"], ["-1", "no ID"]]


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    states=st.lists(st.sampled_from(["new", "asked", "left"]), max_size=9),
    claims=st.lists(st.tuples(st.sampled_from(["one", "other"]), st.booleans(), st.integers(1, 4)), max_size=6),
)
@example(states=[*["new"] * 4, "asked", *["left"] * 4], claims=[])
def test_in_any_order_of_claims_each_task_is_claimed_once(board, states, claims):
    board.clear()
    board.now = board.at(0)
    of = {
        state: [str(number) for number, each in enumerate(states, 10) if each == state]
        for state in ("new", "asked", "left")
    }
    if of["left"]:
        board.add(*of["left"])
        board.queue("dead").claim(99)
    if of["asked"]:
        board.add(*of["asked"])
        earlier = board.queue("earlier")
        earlier.settle([board.still_open(task, minutes=5) for task in earlier.claim(99)])
    if of["new"]:
        board.add(*of["new"])
    board.now = board.at(5)
    queues = {owner: board.queue(owner) for owner in ("one", "other")}

    claimed = Counter(
        task.task_id
        for owner, is_in_turns, limit in [*claims, *[("one", True, 3), ("other", False, 3)] * len(states)]
        for task in queues[owner].claim(limit, in_turns=is_in_turns)
    )

    assert claimed == Counter(chain.from_iterable(of.values()))


def test_claims_in_turns_read_the_index_and_sort_nothing(board):
    board.fill(2_000)
    queue = board.queue()
    # The third claim is of the newest tasks again, and begins at a position.
    plans = [board.explain(lambda: queue.claim(1, in_turns=True)) for _ in range(3)]
    for plan in plans[::2]:
        assert "pending_task_due" in plan
        for slow in ('"Sort"', '"Seq Scan"', "TEMP B-TREE", "SCAN pending_task", "filesort", '"ALL"'):
            assert slow not in plan
