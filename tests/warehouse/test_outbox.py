"""The outbox on every engine: a message is written once, claimed by one sender at a time, and marked when sent."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from sqlalchemy.exc import IntegrityError

from etl.errors import TaskAuditError
from etl.observe.messages import Message
from etl.observe.outbox import LEASE, Outbox, put


def message(kind="failed", run_id="run-1", text="The run ended with 70."):
    return Message(run_id=run_id, kind=kind, exit_code=70, host="host", text=text)


class Clock:
    def __init__(self, now):
        self.now = now

    def __call__(self):
        return self.now


@pytest.fixture
def clock(audit):
    return Clock(audit.noon)


@pytest.fixture
def sender(audit, clock):
    """Make another sender on the same outbox."""
    return lambda: Outbox(audit.engine, clock=clock)


def test_a_message_is_written_once(audit, sender):
    first, second = message(text="first"), message(text="second")
    sender().put([first, message("dead_letters")])
    sender().put([second])

    assert [row["text"] for row in audit.rows("notification")] == ["The run ended with 70.", "first"]


def test_a_message_that_two_write_at_the_same_time_is_written_once(audit, sender):
    def write(one, start):
        start.wait()
        try:
            one.put([message("digest")])
        except (TaskAuditError, IntegrityError):
            # DuckDB lets the second of two writers fail instead of wait.
            return False
        return True

    start = Barrier(4)
    with ThreadPoolExecutor(4) as threads:
        written = list(threads.map(write, [sender() for _ in range(4)], [start] * 4))
    assert any(written)
    assert audit.row("notification")["kind"] == "digest"


def test_a_message_is_written_with_the_row_of_the_run_or_not_at_all(audit):
    run = audit.begin("run-1")

    def write_and_fail(connection):
        put(connection, [message()], now=audit.noon)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        audit.warehouse.finish(run, {}, within=write_and_fail)
    assert audit.rows("notification") == []
    assert audit.row("audit_run")["finished_at"] is None


def test_a_claimed_message_is_free_again_when_its_lease_ends(sender, clock):
    sender().put([message()])
    assert sender().claim() == [message()]
    assert sender().claim() == []
    clock.now += LEASE - timedelta(seconds=1)
    assert sender().claim() == []
    clock.now += timedelta(seconds=1)
    assert sender().claim() == [message()]


def test_a_claim_that_was_written_while_a_clock_was_ahead_holds_no_message(sender, clock):
    sender().put([message()])
    clock.now += timedelta(days=3)
    assert sender().claim() == [message()]
    clock.now -= timedelta(days=3)
    assert sender().claim() == [message()]


def test_a_sent_message_is_not_sent_again(audit, sender, clock):
    sender().put([message()])
    one = sender()
    one.claim()
    one.mark_sent(message())
    clock.now += 2 * LEASE

    assert sender().claim() == []
    row = audit.row("notification")
    assert (row["sent_at"], row["attempts"], row["claimed_by"]) == (audit.noon, 1, None)


def test_the_next_sender_can_claim_a_released_message_at_once(audit, sender):
    sender().put([message()])
    one = sender()
    one.claim()
    one.give_back("The webhook answers 500.")
    assert audit.row("notification")["last_error"] == "The webhook answers 500."
    assert sender().claim() == [message()]


def test_a_sender_that_lost_a_message_neither_marks_nor_releases_it(audit, sender, clock):
    sender().put([message()])
    slow, quick = sender(), sender()
    slow.claim()
    clock.now += LEASE
    quick.claim()
    slow.give_back("late")
    slow.mark_sent(message())

    row = audit.row("notification")
    assert (row["sent_at"], row["last_error"]) == (None, None)
    assert sender().claim() == []


def test_the_oldest_messages_come_first(sender, clock):
    sender().put([message(run_id="z")])
    clock.now += timedelta(seconds=1)
    sender().put([message(run_id="a"), message("dead_letters", run_id="a")])

    assert [(each.run_id, each.kind) for each in sender().claim()] == [
        ("z", "failed"),
        ("a", "dead_letters"),
        ("a", "failed"),
    ]


def test_two_senders_at_the_same_time_never_claim_the_same_message(audit, sender):
    def claim(one, start):
        start.wait()
        try:
            return one.claim()
        except TaskAuditError:
            # DuckDB lets the second of two writers fail instead of wait.
            return []

    sender().put([message(run_id=f"run-{each}") for each in range(50)])
    start = Barrier(4)
    with ThreadPoolExecutor(4) as threads:
        claimed = [each for found in threads.map(claim, [sender() for _ in range(4)], [start] * 4) for each in found]

    assert sorted(each.run_id for each in claimed) == sorted(row["run_id"] for row in audit.rows("notification"))


def test_any_text_can_be_kept(sender):
    sender().put([message(text="\0" + "é\N{PILE OF POO}'" * 2_000)])
    (kept,) = sender().claim()
    assert kept.text.startswith("\N{REPLACEMENT CHARACTER}é")
