"""Tasks that could not be audited: written, repeated, resolved, failing again."""

from etl.tasks.failure_reasons import FailureReason
from etl.warehouse.read.overview import DeadLetters, last_runs, open_dead_letters

SUCCESS, EXECUTING = 2, 1


def test_a_dead_letter(audit):
    audit.load(audit.failed(attempts=2, http_status=404, error_code="13000309", trace_id="abc", detail="No such task"))
    assert audit.row("dead_letter") == {
        "task_id": audit.task_id,
        "reason": "not_found",
        "http_status": 404,
        "error_code": "13000309",
        "detail": "No such task",
        "trace_id": "abc",
        "attempts": 2,
        "first_failed_at": audit.noon,
        "last_failed_at": audit.noon,
        "resolved_at": None,
        "run_id": "run-1",
    }
    assert audit.rows("fact_task_status") == []


def test_failing_again_keeps_the_first_failure(audit):
    audit.load(audit.failed())
    audit.load(audit.failed(5, reason=FailureReason.FORBIDDEN, attempts=2, detail="HTTP 403"), run="run-2")
    letter = audit.row("dead_letter")
    assert (letter["first_failed_at"], letter["last_failed_at"]) == (audit.noon, audit.at(5))
    assert (letter["reason"], letter["attempts"], letter["run_id"]) == ("forbidden", 2, "run-2")


def test_resolved_when_audited_and_open_again_when_it_fails_again(audit):
    audit.load(audit.failed(), audit.failed(task_id="9"))
    audit.load(audit.seen(EXECUTING, 5), run="run-2")
    resolved, other = audit.rows("dead_letter")
    assert (resolved["resolved_at"], resolved["last_failed_at"], other["resolved_at"]) == (
        audit.at(5),
        audit.noon,
        None,
    )
    audit.load(audit.seen(SUCCESS, 6), run="run-3")
    assert audit.rows("dead_letter") == [resolved, other], "resolved once"
    audit.load(audit.failed(7), run="run-4")
    again = audit.rows("dead_letter")[0]
    assert (again["resolved_at"], again["first_failed_at"], again["last_failed_at"]) == (None, audit.noon, audit.at(7))
    audit.load(audit.seen(SUCCESS, 8), run="run-5")
    assert audit.rows("dead_letter")[0]["resolved_at"] == audit.at(8), "though the fact itself is old news"


def test_an_older_failure_does_not_replace_a_newer_one(audit):
    audit.load(audit.failed(5, reason=FailureReason.FORBIDDEN))
    before = audit.rows("dead_letter")
    audit.load(audit.failed(3), run="run-2")
    assert audit.rows("dead_letter") == before


def test_an_older_observation_resolves_nothing(audit):
    audit.load(audit.failed(5))
    audit.load(audit.seen(EXECUTING, 3), run="run-2")
    assert audit.row("dead_letter")["resolved_at"] is None
    assert audit.row("fact_task_status")["status"] == EXECUTING


def test_a_failure_that_comes_late_is_resolved_from_the_start(audit):
    # A run that was held up, past its lease, loads after the run that took over.
    audit.load(audit.seen(SUCCESS, 5))
    audit.load(audit.failed(3), run="run-2")
    assert audit.row("dead_letter")["resolved_at"] == audit.at(5)


def test_hostile_words_never_keep_a_batch_from_being_written(audit):
    texts = ["", "'; DROP", "a\0b", "\ud83d", "../x", "%2e%2e", "é" * 20_000, "\r\n", "\u202e"]
    letters = [
        audit.failed(task_id=text, reason=FailureReason.INVALID_ID, detail=text, error_code=text, trace_id=text)
        for text in texts
    ]
    audit.load(audit.seen(SUCCESS), *letters)
    audit.load(*letters, run="run-2")
    stored = {row["task_id"]: row["detail"] for row in audit.rows("dead_letter")}
    assert set(stored) == {"", "'; DROP", "a\ufffdb", "?", "../x", "%2e%2e", "é" * 500, "\r\n", "\u202e"}
    assert stored["é" * 500] == "é" * 2_000
    assert audit.row("fact_task_status")["status"] == SUCCESS


def test_overview(audit):
    audit.load(audit.failed(task_id="1"), audit.failed(3, task_id="2"), audit.failed(task_id="3"))
    audit.load(audit.seen(SUCCESS, 5, task_id="3"), audit.failed(9, task_id="4", reason="forbidden"), run="run-2")
    assert open_dead_letters(audit.engine) == [
        DeadLetters(reason="not_found", tasks=2, retried=0, oldest_failed_at=audit.noon, newest_failed_at=audit.at(3)),
        DeadLetters(reason="forbidden", tasks=1, retried=0, oldest_failed_at=audit.at(9), newest_failed_at=audit.at(9)),
    ]
    assert len(last_runs(audit.engine, number=1)) == 1
    assert {run.run_id for run in last_runs(audit.engine, number=9)} == {"run-1", "run-2"}
