"""A load turns first, repeated, changed and late observations into facts and history."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl.tasks.detail import FIELDS
from etl.warehouse.tables import METADATA

NEW, EXECUTING, SUCCESS, FAILED, ODD = 0, 1, 2, 3, 7


def test_the_first_observation(audit):
    audit.load(
        audit.seen(
            FAILED,
            task_name="hand over",
            task_type=0,
            tenant_id="d5ac574b",
            user_id=1395497048157130881,
            result_code="18000205",
            response_code=0,
            response_message="success",
            submitted_at=audit.at(-60),
        )
    )
    assert audit.row("fact_task_status") == dict.fromkeys(field.name for field in FIELDS) | {
        "task_id": audit.task_id,
        "task_name": "hand over",
        "task_type": 0,
        "tenant_id": "d5ac574b",
        "user_id": "1395497048157130881",
        "status": FAILED,
        "result_code": "18000205",
        "response_code": "0",
        "response_message": "success",
        "submitted_at": audit.at(-60),
        "submitted_at_source": "queue",
        "first_seen_at": audit.noon,
        "status_changed_at": audit.noon,
        "last_checked_at": audit.noon,
        "run_id": "run-1",
    }
    assert audit.row("fact_task_status_change") == {
        "task_id": audit.task_id,
        "observed_at": audit.noon,
        "previous_status": None,
        "status": FAILED,
        "previous_result_code": None,
        "result_code": "18000205",
        "run_id": "run-1",
    }


@pytest.mark.parametrize("status", [SUCCESS, FAILED])
def test_a_repeated_observation_of_a_finished_task_writes_nothing(audit, status):
    audit.load(audit.seen(status))
    before = audit.tables(without=["audit_run"])
    run = audit.load(audit.seen(status, 5), run="run-2")
    assert audit.tables(without=["audit_run"]) == before
    assert (run.audited, run.changed, run.unchanged, run.still_open) == (1, 0, 1, 0)


@pytest.mark.parametrize("status", [NEW, EXECUTING, ODD])
def test_a_repeated_observation_of_an_open_task_moves_the_check_alone(audit, status):
    audit.load(audit.seen(status))
    before = audit.tables(without=["audit_run"])
    run = audit.load(audit.seen(status, 5), run="run-2")
    before["fact_task_status"][0]["last_checked_at"] = audit.at(5)
    assert audit.tables(without=["audit_run"]) == before
    assert (run.audited, run.changed, run.unchanged, run.still_open) == (1, 0, 1, 1)


def test_a_change_of_status(audit):
    audit.load(audit.seen(EXECUTING))
    run = audit.load(audit.seen(FAILED, 5, result_code="18000205"), run="run-2")
    fact, (_, change) = audit.row("fact_task_status"), audit.rows("fact_task_status_change")
    assert (fact["status"], fact["result_code"], fact["run_id"]) == (FAILED, "18000205", "run-2")
    assert fact["first_seen_at"] == audit.noon
    assert fact["status_changed_at"] == fact["last_checked_at"] == change["observed_at"] == audit.at(5)
    assert (change["previous_status"], change["status"]) == (EXECUTING, FAILED)
    assert (change["previous_result_code"], change["result_code"]) == (None, "18000205")
    assert change["run_id"] == "run-2"
    assert (run.changed, run.unchanged) == (1, 0)


@pytest.mark.parametrize(("before", "after"), [(None, "18000205"), ("18000205", "18000301"), ("18000205", None)])
def test_a_change_of_result_code_alone_is_a_change(audit, before, after):
    audit.load(audit.seen(FAILED, result_code=before))
    audit.load(audit.seen(FAILED, 5, result_code=after), run="run-2")
    change = audit.rows("fact_task_status_change")[1]
    assert (change["previous_result_code"], change["result_code"]) == (before, after)
    assert audit.row("fact_task_status")["status_changed_at"] == audit.at(5)


@pytest.mark.parametrize("detail", [{"task_name": "new"}, {"task_type": 1}, {"tenant_id": "t"}, {"user_id": 7}])
@pytest.mark.parametrize("status", [EXECUTING, SUCCESS])
def test_a_change_of_words_makes_a_version_and_no_history(audit, status, detail):
    audit.load(audit.seen(status))
    run = audit.load(audit.seen(status, 5, **detail), run="run-2")
    fact = audit.row("fact_task_status")
    assert {name: fact[name] for name in detail} == {
        name: str(value) if name == "user_id" else value for name, value in detail.items()
    }
    assert (fact["status_changed_at"], fact["last_checked_at"], fact["run_id"]) == (audit.noon, audit.at(5), "run-2")
    assert len(audit.rows("fact_task_status_change")) == 1
    assert run.changed == 1


def test_a_better_known_submission_makes_a_version(audit):
    audit.load(audit.seen(SUCCESS))
    audit.load(audit.seen(SUCCESS, 5, submitted_at=audit.at(-60)), run="run-2")
    fact = audit.row("fact_task_status")
    assert (fact["submitted_at"], fact["submitted_at_source"]) == (audit.at(-60), "queue")


def test_other_wording_of_the_same_answer_writes_nothing(audit):
    audit.load(audit.seen(SUCCESS, response_code=0, response_message="success"))
    before = audit.tables(without=["audit_run"])
    audit.load(audit.seen(SUCCESS, 5, response_code=None, response_message="Success."), run="run-2")
    assert audit.tables(without=["audit_run"]) == before


@pytest.mark.parametrize(("status", "minute"), [(NEW, 0), (EXECUTING, 0), (EXECUTING, 3)])
def test_an_observation_that_is_not_newer_and_no_news_writes_nothing(audit, status, minute):
    audit.load(audit.seen(EXECUTING, task_name="new"))
    audit.load(audit.seen(EXECUTING, 5, task_name="new"), run="run-2")
    before = audit.tables(without=["audit_run"])
    run = audit.load(audit.seen(status, minute, task_name="old", result_code=None), run="run-3")
    assert audit.tables(without=["audit_run"]) == before
    assert (run.changed, run.unchanged) == (0, 1)


def test_an_older_observation_finds_its_place_in_the_history_and_leaves_the_fact_as_it_is(audit):
    audit.load(audit.seen(EXECUTING, task_name="new"))
    before = audit.row("fact_task_status")
    run = audit.load(audit.seen(NEW, -5, task_name="old"), run="run-2")
    assert audit.row("fact_task_status") == before | {"first_seen_at": audit.at(-5)}
    assert [
        (row["observed_at"], row["previous_status"], row["status"], row["run_id"])
        for row in audit.rows("fact_task_status_change")
    ] == [(audit.at(-5), None, NEW, "run-2"), (audit.noon, NEW, EXECUTING, "run-1")]
    assert (run.changed, run.unchanged) == (0, 1)


def test_unknown_numbers_get_a_row_in_their_dimension(audit):
    audit.load(audit.seen(ODD, task_type=9), audit.seen(ODD, task_id="8", task_type=None))
    audit.load(audit.seen(ODD, 5, task_type=9), audit.seen(-1, 5, task_id="8"), run="run-2")
    statuses = {row["status"]: (row["status_name"], row["is_terminal"]) for row in audit.rows("dim_task_status")}
    assert statuses == {
        -1: ("UNKNOWN(-1)", False),
        0: ("NEW", False),
        1: ("EXECUTING", False),
        2: ("SUCCESS", True),
        3: ("FAILED", True),
        7: ("UNKNOWN(7)", False),
    }
    types = {row["task_type"]: row["task_type_name"] for row in audit.rows("dim_task_type")}
    assert types == {0: "HAND_OVER", 1: "BATCH_USER_IMPORT", 9: "UNKNOWN(9)"}


def test_result_codes_are_noted_once_when_first_seen(audit):
    audit.load(
        audit.seen(FAILED, 5, task_id="1", result_code="18000205"),
        audit.seen(FAILED, 3, task_id="2", result_code="18000205"),
        audit.seen(SUCCESS, 1, task_id="3", result_code="0"),
        audit.seen(SUCCESS, 1, task_id="4"),
    )
    audit.load(audit.seen(FAILED, 9, task_id="5", result_code="18000205"), run="run-2")
    labels = {"title": None, "category": None, "action": None, "is_documented": False}
    assert audit.rows("dim_result_code") == [
        {"result_code": "0", **labels, "first_seen_at": audit.at(1)},
        {"result_code": "18000205", **labels, "first_seen_at": audit.at(3)},
    ]


def test_labels_that_users_fill_in_survive(audit):
    audit.load(audit.seen(FAILED, result_code="18000205", task_type=9))
    filled_in = {
        "dim_result_code": {"title": "Disk full", "category": "quota", "action": "Buy space", "is_documented": True},
        "dim_task_type": {"task_type_name": "SHREDDING", "description": "Files are shredded."},
        "dim_task_status": {"description": "Ended."},
    }
    with audit.engine.begin() as connection:
        for name, labels in filled_in.items():
            connection.execute(METADATA.tables[name].update().values(**labels))
    before = audit.tables(without=["audit_run"])
    audit.load(audit.seen(FAILED, 5, result_code="18000205", task_type=9), run="run-2")
    assert audit.tables(without=["audit_run"]) == before


loads = st.lists(
    st.lists(
        st.tuples(
            st.sampled_from(["1", "2"]),
            st.sampled_from([NEW, EXECUTING, SUCCESS, FAILED, ODD]),
            st.sampled_from([None, "18000205"]),
            st.sampled_from(["a", "b"]),
            st.integers(0, 9),
        ),
        max_size=3,
        unique_by=lambda seen: (seen[0], seen[4]),
    ),
    min_size=1,
    max_size=6,
)


class Model:
    """The rules of facts in plain Python, which the statements must match."""

    def __init__(self):
        self.facts, self.changes, self.changed, self.unchanged = {}, [], 0, 0

    def load(self, batch, run_id):
        newest = {}
        for task_id, *content, minute in sorted(batch, key=lambda seen: seen[4]):
            newest[task_id] = (tuple(content), minute)
        news = [self._see(task_id, content, minute, run_id) for task_id, (content, minute) in newest.items()]
        self.changed += sum(news)
        self.unchanged += len(batch) - sum(news)

    def _see(self, task_id, content, minute, run_id):
        known = self.facts.get(task_id)
        assert known is None or minute > known["checked"]
        is_news = known is None or known["content"] != content
        is_move = known is None or known["content"][:2] != content[:2]
        if is_move:
            self.changes.append((task_id, minute, known and known["content"][0], *content[:2], run_id))
        if is_news or content[0] not in {SUCCESS, FAILED}:
            self.facts[task_id] = {
                "content": content,
                "first": known["first"] if known else minute,
                "moved": minute if is_move else known["moved"],
                "checked": minute,
                "run_id": run_id if is_news else known["run_id"],
            }
        return is_news


@pytest.mark.slow
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(loads)
def test_any_sequence_of_loads_follows_the_rules(audit, batches):
    with audit.engine.begin() as connection:
        for table in METADATA.sorted_tables:
            if not table.name.startswith(("dim_task", "dim_day")):
                connection.execute(table.delete())
    # Late observations are the subject of test_any_order.py.
    batches = [[(*seen, minute + 10 * number) for *seen, minute in batch] for number, batch in enumerate(batches)]
    model = Model()
    run = audit.begin("run")
    for number, batch in enumerate(batches):
        model.load(batch, "run")
        run = audit.load(
            *(
                audit.seen(status, minute, task_id=task_id, result_code=code, task_name=name)
                for task_id, status, code, name, minute in batch
            ),
            run=run,
        )
        assert run.audited == sum(map(len, batches[: number + 1]))
    assert (run.changed, run.unchanged) == (model.changed, model.unchanged)
    assert {
        row["task_id"]: {
            "content": (row["status"], row["result_code"], row["task_name"]),
            "first": (row["first_seen_at"] - audit.noon).seconds // 60,
            "moved": (row["status_changed_at"] - audit.noon).seconds // 60,
            "checked": (row["last_checked_at"] - audit.noon).seconds // 60,
            "run_id": row["run_id"],
        }
        for row in audit.rows("fact_task_status")
    } == model.facts
    assert [
        (
            row["task_id"],
            (row["observed_at"] - audit.noon).seconds // 60,
            row["previous_status"],
            row["status"],
            row["result_code"],
            row["run_id"],
        )
        for row in audit.rows("fact_task_status_change")
    ] == sorted(model.changes)
