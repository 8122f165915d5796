"""`task-audit dead-letters` lists, retries and discards dead letters, on every engine."""

import json

import pytest
from sqlalchemy import text

from etl.database.connections import open_engine
from etl.exit_codes import ExitCode
from etl.fake_api import Behaviour, Fault
from tests.conftest import each_engine
from tests.nights import TOKEN, task_ids

IDS = task_ids(6)
LOST, FOREIGN = IDS[0], IDS[1]
ONCE = Behaviour(
    token=TOKEN,
    faults=(
        Fault(name="not_found", task_ids=frozenset({LOST}), first_asks=1),
        Fault(name="forbidden", task_ids=frozenset({FOREIGN}), first_asks=1),
    ),
)
"""Two tasks fail at the first request, and succeed at the second."""


@pytest.fixture
def night(night_of, databases):
    with night_of(ONCE, *databases) as night:
        night.enqueue(*IDS, "not-an-id")
        assert night.run("run").exit_code == ExitCode.DEAD_LETTERS
        yield night


def listed(night, *arguments):
    result = night.run("dead-letters", "list", "--json", *arguments)
    assert result.exit_code == ExitCode.OK, result.stderr
    return {row["task_id"]: row["reason"] for row in json.loads(result.stdout)}


def reconciled(night):
    return {
        row["finding"]: row["tasks"]
        for row in json.loads(night.run("query", "reconciliation", "--format", "json").stdout)
    }


@each_engine
def test_the_list_follows_its_options(night):
    everything = {LOST: "not_found", FOREIGN: "forbidden", "not-an-id": "invalid_id"}
    assert listed(night) == everything
    assert listed(night, "--reason", "not_found", "--reason", "forbidden") == {LOST: "not_found", FOREIGN: "forbidden"}
    assert listed(night, FOREIGN, "not-an-id") == {FOREIGN: "forbidden", "not-an-id": "invalid_id"}
    assert listed(night, "--newer-than", "1h") == everything
    assert listed(night, "--older-than", "1h") == {}
    shown = night.run("dead-letters", "list", "--older-than", "1h")
    assert (shown.stdout, shown.stderr.splitlines()[-1]) == ("", "No open dead letters.")


@pytest.mark.parametrize("command", ["list", "retry", "discard"])
@pytest.mark.parametrize(
    "ages", [("--older-than", "2h", "--newer-than", "1h"), ("--newer-than", "1d", "--older-than", "24h")]
)
def test_ages_that_no_dead_letter_can_have_are_a_usage_error(task_audit, command, ages):
    """The error comes before any database is opened: here there is none."""
    ended = task_audit("dead-letters", command, *ages)
    assert ended.exit_code == ExitCode.USAGE
    assert "--newer-than is not longer than --older-than" in ended.stderr


@each_engine
def test_a_dead_letter_is_shown_with_its_remedy(night):
    shown = night.run("dead-letters", "show", LOST)
    assert shown.exit_code == ExitCode.OK
    assert "Check that the ID is right" in shown.stdout
    letter = json.loads(night.run("dead-letters", "show", LOST, "--json").stdout)
    assert (letter["reason"], letter["attempts"], letter["resolved_at"]) == ("not_found", 1, None)
    assert len(letter["trace_id"]) == 58


def test_a_retried_task_is_audited_and_its_dead_letter_resolved(night):
    assert (
        night.run("dead-letters", "retry", "--reason", "not_found").stdout == "1 will be tried again by the next run.\n"
    )
    assert night.run("dead-letters", "retry", LOST).exit_code == ExitCode.OK
    letters = json.loads(night.run("dead-letters", "list", "--json").stdout)
    decisions = {row["task_id"]: row["decision"] for row in letters}
    assert decisions == {LOST: "try again", FOREIGN: None, "not-an-id": None}
    status = json.loads(night.run("status", "--json").stdout)
    assert {row["reason"]: row["retried"] for row in status["dead_letters"]} == {
        "not_found": 1,
        "forbidden": 0,
        "invalid_id": 0,
    }
    assert "try again" in night.run("dead-letters", "list", LOST).stdout
    assert "try again" in night.run("dead-letters", "show", LOST).stdout
    assert {task_id: night.states()[task_id] for task_id in (LOST, FOREIGN, "not-an-id")} == {
        LOST: "pending",
        FOREIGN: "dead",
        "not-an-id": "dead",
    }
    query = f"SELECT attempts, last_error FROM pending_task WHERE task_id = '{LOST}'"
    assert night.rows(query, "source") == [(0, None)]
    assert night.run("run").exit_code == ExitCode.OK
    assert listed(night) == {FOREIGN: "forbidden", "not-an-id": "invalid_id"}
    assert LOST in night.facts()


def test_retry_adds_a_task_that_the_queue_lacks(night):
    night.change(f"DELETE FROM pending_task WHERE task_id = '{LOST}'")
    retried = night.run("dead-letters", "retry", LOST, "--json")
    assert json.loads(retried.stdout) == {"retried": [LOST]}
    assert night.states()[LOST] == "pending"


def test_a_discarded_dead_letter_is_resolved_and_its_task_never_asked_about_again(night):
    assert (
        night.run("dead-letters", "discard", "--reason", "invalid_id", "--reason", "forbidden").stdout
        == "2 discarded.\n"
    )
    assert listed(night) == {LOST: "not_found"}
    settled = json.loads(night.run("dead-letters", "show", FOREIGN, "--json").stdout)
    assert settled["resolved_at"] is not None
    assert settled["detail"].startswith("Discarded. ")
    night.run("run")
    assert night.states()[FOREIGN] == night.states()["not-an-id"] == "dead"
    assert FOREIGN not in night.facts()
    assert not {finding for finding in reconciled(night) if finding.startswith("dead")}
    assert night.api.stats.asks[FOREIGN] == 1
    # --refetch asks about a discarded task again.
    assert night.run("run", "--refetch").exit_code in {ExitCode.OK, ExitCode.DEAD_LETTERS}


@each_engine
def test_a_task_that_is_discarded_after_a_retry_is_not_asked_about_again(night):
    assert night.run("dead-letters", "retry", LOST, FOREIGN).exit_code == ExitCode.OK
    assert night.run("dead-letters", "discard", LOST).stdout == "1 discarded.\n"
    assert (night.states()[LOST], night.states()[FOREIGN]) == ("dead", "pending")
    assert night.run("run", "--recheck").exit_code == ExitCode.OK
    assert (night.api.stats.asks[LOST], night.api.stats.asks[FOREIGN]) == (1, 2)
    assert not {finding for finding in reconciled(night) if finding.startswith("dead")}


@each_engine
@pytest.mark.parametrize("command", ["retry", "discard"])
def test_a_command_that_chooses_no_dead_letter_is_refused(night, command):
    for arguments, message in (
        ((), "No dead letter is chosen."),
        (("--all", LOST), "--all leaves nothing to choose."),
        ((LOST, "77"), "There is no open dead letter of '77'"),
    ):
        result = night.run("dead-letters", command, *arguments)
        assert result.exit_code == ExitCode.USAGE
        assert message in result.stderr
    assert len(listed(night)) == 3
    assert night.run("dead-letters", command, "--all").stdout.startswith("3 ")
    assert night.run("dead-letters", "show", "77").exit_code == ExitCode.USAGE


@pytest.fixture
def own_table(night_of, databases):
    """The pending tasks are in the user's own table, which the job never writes to."""
    with night_of(ONCE, *databases) as night:
        night.change("CREATE TABLE mine (id VARCHAR(100))")
        night.change(f"INSERT INTO mine VALUES ('{LOST}'), ('{FOREIGN}'), ('{IDS[2]}')")
        yield night


def test_with_the_user_s_own_table_the_warehouse_alone_decides_what_is_retried(own_table, configure):
    configure(source__mode="read_only", source__table="mine", source__task_id_column="id")
    assert own_table.run("run").exit_code == ExitCode.DEAD_LETTERS
    asked = own_table.api.stats.requests
    assert own_table.run("dead-letters", "discard", FOREIGN).exit_code == ExitCode.OK
    assert own_table.run("run").exit_code == ExitCode.OK
    still_open = sum(1 for status, _ in own_table.facts().values() if status in (0, 1))
    assert own_table.api.stats.requests == asked + still_open

    assert own_table.run("dead-letters", "retry", LOST).exit_code == ExitCode.OK
    assert own_table.run("run").exit_code == ExitCode.OK
    assert LOST in own_table.facts()
    assert FOREIGN not in own_table.facts()
    assert listed(own_table) == {}


def test_a_second_retry_completes_one_that_broke_off_between_two_databases(night_of, two_places):
    source, warehouse = two_places("sqlite+duckdb")
    with night_of(ONCE, source, warehouse) as night:
        night.enqueue(*IDS)
        night.run("run")
        engine = open_engine(warehouse, name="the warehouse")
        with engine.begin() as connection:
            connection.execute(text(f"UPDATE dead_letter SET attempts = 0 WHERE task_id = '{LOST}'"))
        engine.dispose()
        assert night.states()[LOST] == "dead"
        assert night.run("dead-letters", "retry", LOST).exit_code == ExitCode.OK
        assert night.states()[LOST] == "pending"


def test_control_characters_are_shown_escaped(night_of):
    with night_of() as night:
        night.enqueue("=cmd()")
        night.change("INSERT INTO pending_task (task_id) VALUES ('a\x1b[31mb\u202ec')")
        night.run("run")
        shown = night.run("dead-letters", "list").stdout
        assert "=cmd()" in shown
        assert "\x1b" not in shown
        assert "\u202e" not in shown
        assert night.run("dead-letters", "retry", "a\x1b[31mb\u202ec").exit_code == ExitCode.OK
