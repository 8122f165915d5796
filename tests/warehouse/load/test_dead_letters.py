"""Dead letters are written many at a time, whatever text their IDs and errors hold."""

from dataclasses import replace

from etl.tasks import PendingTask
from etl.warehouse.limits import MAX_KEY_CHARACTERS

HOSTILE = ["", " ", '"', "a,b", "line\nbreak", "\r\n", "\\N", "\\.", "%s :x ?", "NULL", "交接 🙂", "'; --", "x" * 9_000]


def test_hostile_text_is_stored_as_it_is(audit):
    letters = [
        replace(audit.failed(task_id=f"{number}{text}"), detail=text, error_code=text or None)
        for number, text in enumerate(HOSTILE)
    ]
    audit.load(*letters)
    rows = {row["task_id"]: row for row in audit.rows("dead_letter")}
    assert len(rows) == len(HOSTILE)
    for number, text in enumerate(HOSTILE):
        row = rows[f"{number}{text}"[:MAX_KEY_CHARACTERS]]
        assert text.startswith(row["detail"])
        assert row["error_code"] == (text[: len(row["error_code"])] if text else None)


def test_what_no_engine_stores_is_replaced(audit):
    audit.load(replace(audit.failed(task_id="nul\0"), detail="lone \ud800 surrogate"))
    assert (audit.row("dead_letter")["task_id"], audit.row("dead_letter")["detail"]) == (
        "nul\N{REPLACEMENT CHARACTER}",
        "lone ? surrogate",
    )


def test_of_two_ids_that_are_the_same_once_they_are_cut_the_newer_failure_counts(audit):
    alike = "9" * MAX_KEY_CHARACTERS
    first, second = (
        replace(audit.failed(task_id=alike), task=PendingTask(task_id=alike + end), failed_at=audit.at(minute))
        for end, minute in (("a", 2), ("b", 1))
    )
    run = audit.load(first, second)
    assert run.dead_lettered == 2
    assert audit.row("dead_letter")["last_failed_at"] == audit.at(2)


def test_a_failure_replaces_an_older_one_and_keeps_the_time_of_the_first(audit):
    letter = audit.failed(task_id="9")
    for minute, status in ((5, 404), (1, 403), (9, 410)):
        audit.load(replace(letter, failed_at=audit.at(minute), http_status=status), run=f"run-{minute}")
        row = audit.row("dead_letter")
    assert (row["http_status"], row["first_failed_at"], row["last_failed_at"]) == (410, audit.at(5), audit.at(9))
    assert row["run_id"] == "run-9"
