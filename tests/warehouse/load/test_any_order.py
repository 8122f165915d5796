"""Late, repeated and out-of-order observations make the tables that the order of observation makes."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise, permutations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from etl.normalize import normalize
from etl.warehouse.load.batch import Batch
from etl.warehouse.tables import METADATA

NEW, EXECUTING, SUCCESS, FAILED, ODD = 0, 1, 2, 3, 7
TABLES = ("fact_task_status", "fact_task_status_change", "dim_result_code")

thorough = settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])


def made_by(audit, loads, clocks=None, *, forgotten=(*TABLES, "audit_run")):
    """Load each batch under the run that observed it, and return the rows of the tables.

    ``clocks`` draws the time that the clock of a live load shows; without it, the observations are archived ones.
    ``forgotten`` names the tables that are emptied before.
    """
    with audit.engine.begin() as connection:
        for name in forgotten:
            connection.execute(METADATA.tables[name].delete())
    run = audit.begin("run")
    for learnt_by, seen in loads:
        observations = [audit.seen(status, minute, task_id=task_id, **words) for task_id, status, minute, words in seen]
        run = replace(run, claimed=run.claimed + len(observations))
        batch = Batch(facts=normalize(observations), audited=len(observations), run_id=learnt_by)
        if clocks is not None:
            batch = replace(batch, now=clocks())
        run = audit.warehouse.load(batch, run)
    with audit.engine.connect() as connection:
        history = connection.execute(text("SELECT * FROM v_task_history ORDER BY task_id, valid_from")).all()
    return {name: audit.rows(name) for name in TABLES} | {"v_task_history": history}


@st.composite
def lives(draw):
    """Draw the observations of some nights, of tasks that never return to an earlier answer."""
    nights = {}
    for task_id in draw(st.sampled_from(["1", "12", "123456789"])):
        answers = [
            (status, {"result_code": code, "task_name": f"name {status}", "response_message": message})
            for status in draw(st.lists(st.sampled_from([NEW, EXECUTING, ODD]), unique=True, max_size=3))
            for code in draw(st.sampled_from([[None], [None, "18000205"]]))
            for message in draw(st.sampled_from([["ok"], ["ok", "OK"]]))
        ]
        end, code = draw(st.sampled_from([SUCCESS, FAILED])), draw(st.sampled_from([None, "18000205", "18000301"]))
        for name in draw(st.sampled_from([[], ["end"], ["end", "renamed"]])):
            answers += [(end, {"result_code": code, "task_name": name, "response_message": name})]
        seen = [answer for answer in answers for _ in range(draw(st.integers(0, 3)))]
        for night, (status, words) in enumerate(seen):
            nights.setdefault(night, []).append((task_id, status, 10 * night + int(task_id), words))
    return [(f"run-{night}", seen) for night, seen in nights.items()]


# Few examples of many lives: what a load costs, it costs for all of its tasks.
@settings(thorough, max_examples=6)
@given(lives(), st.data())
def test_any_order_makes_the_tables_of_the_order_of_observation(audit, nights, data):
    expected = made_by(audit, nights)
    again = data.draw(st.lists(st.sampled_from(nights), max_size=3)) if nights else []
    # All observations are past, and the clocks of the workers differ a little.
    latest = max((each[2] for _, seen in nights for each in seen), default=0)
    clocks = st.integers(-40, 40).map(lambda seconds: audit.at(latest) + timedelta(seconds=seconds))
    some_clocks = data.draw(st.sampled_from([None, lambda: data.draw(clocks)]))
    assert made_by(audit, data.draw(st.permutations(nights + again)), some_clocks) == expected


@settings(thorough, max_examples=6)
@given(lives(), st.data())
def test_facts_deleted_by_hand_come_back_in_any_order_beside_their_history(audit, nights, data):
    expected = made_by(audit, nights)
    deleted = ("fact_task_status", "audit_run")
    assert made_by(audit, data.draw(st.permutations(nights)), forgotten=deleted) == expected


def test_a_fact_deleted_by_hand_comes_back_beside_its_history(audit):
    life = [(f"run-{minute}", [("1", status, minute, {})]) for status, minute in ((EXECUTING, 0), (SUCCESS, 10))]
    expected = made_by(audit, life)
    assert [row["status"] for row in expected["fact_task_status_change"]] == [EXECUTING, SUCCESS]
    assert made_by(audit, life, forgotten=("fact_task_status", "audit_run")) == expected
    # Another answer of the same instant leaves the history that people have read.
    other = [("run-0", [("1", NEW, 0, {})])]
    again = made_by(audit, other, forgotten=("fact_task_status", "audit_run"))
    assert again["fact_task_status_change"] == expected["fact_task_status_change"]
    assert [row["status"] for row in again["fact_task_status"]] == [NEW]


def test_every_order_of_a_short_life(audit):
    life = [(NEW, 0), (EXECUTING, 10), (EXECUTING, 20), (FAILED, 30), (FAILED, 40)]
    # One task for each order, all side by side, so that each load writes many of them.
    orders = {str(number): order for number, order in enumerate(permutations(life))}
    loads = [
        (
            f"run-{seen[1]}",
            [(task_id, *seen, {"task_name": "t"}) for task_id in orders if orders[task_id][step] == seen],
        )
        for step in range(len(life))
        for seen in life
    ]
    tables = made_by(audit, loads)
    stories = {}
    for row in (*tables["fact_task_status"], *tables["fact_task_status_change"]):
        stories.setdefault(row.pop("task_id"), []).append(row)
    fact, *changes = stories["0"]
    assert (fact["status"], fact["first_seen_at"], fact["status_changed_at"]) == (FAILED, audit.at(0), audit.at(30))
    assert [row["status"] for row in changes] == [NEW, EXECUTING, FAILED]
    assert stories.keys() == orders.keys()
    for task_id, story in stories.items():
        assert story == stories["0"], orders[task_id]


anything = st.lists(
    st.tuples(
        st.sampled_from(["1", "2"]),
        st.sampled_from([NEW, EXECUTING, SUCCESS, FAILED]),
        st.integers(0, 9),
        st.fixed_dictionaries(
            {"result_code": st.sampled_from([None, "18000205"]), "task_name": st.sampled_from(["a", "b"])}
        ),
    ),
    min_size=1,
    max_size=9,
)


def answer(row, prefix=""):
    return row[f"{prefix}status"], row[f"{prefix}result_code"]


@thorough
@given(anything)
def test_in_any_order_the_history_is_a_chain_that_ends_in_the_fact(audit, observations):
    tables = made_by(audit, [(f"run-{number}", [seen]) for number, seen in enumerate(observations)])
    for fact in tables["fact_task_status"]:
        seen = [each for each in observations if each[0] == fact["task_id"]]
        chain = [row for row in tables["fact_task_status_change"] if row["task_id"] == fact["task_id"]]
        assert answer(chain[0], "previous_") == (None, None)
        assert all(answer(after, "previous_") == answer(before) != answer(after) for before, after in pairwise(chain))
        assert answer(chain[-1]) == answer(fact)
        assert chain[0]["observed_at"] == fact["first_seen_at"] == audit.at(min(minute for _, _, minute, _ in seen))
        assert chain[-1]["observed_at"] == fact["status_changed_at"] <= fact["last_checked_at"]
        _, status, minute, words = max(seen, key=lambda each: each[2])
        if [each[2] for each in seen].count(minute) == 1 and status in {NEW, EXECUTING}:
            # The newest answer of an open task is never lost.
            assert (answer(fact), fact["task_name"]) == ((status, words["result_code"]), words["task_name"])
            assert fact["last_checked_at"] == audit.at(minute)
        intervals = [(row.valid_from, row.valid_until) for row in tables["v_task_history"] if row[0] == fact["task_id"]]
        assert intervals[-1][1] is None
        assert all(until == since for (_, until), (since, _) in pairwise(intervals))


def test_a_late_answer_interrupts_what_held_before_and_after_it(audit):
    tables = made_by(
        audit,
        [
            ("run-1", [("1", EXECUTING, 0, {})]),
            ("run-2", [("1", EXECUTING, 20, {})]),
            ("run-3", [("1", NEW, 10, {})]),
        ],
    )
    changes = [(row["status"], row["observed_at"], row["run_id"]) for row in tables["fact_task_status_change"]]
    assert changes == [
        (EXECUTING, audit.at(0), "run-1"),
        (NEW, audit.at(10), "run-3"),
        (EXECUTING, audit.at(20), "run-1"),
    ]
    (fact,) = tables["fact_task_status"]
    assert (fact["status"], fact["status_changed_at"], fact["last_checked_at"]) == (
        EXECUTING,
        audit.at(20),
        audit.at(20),
    )


@pytest.mark.parametrize("status", [NEW, SUCCESS])
def test_the_first_of_two_answers_of_one_instant_stays(audit, status):
    first = ("run-1", [("1", status, 0, {"task_name": "a"})])
    other = ("run-2", [("1", FAILED, 0, {"task_name": "b", "result_code": "9"})])
    assert made_by(audit, [first, other])["fact_task_status"] == made_by(audit, [first])["fact_task_status"]
