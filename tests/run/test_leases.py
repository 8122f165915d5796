"""The account of the tasks that a run holds."""

from datetime import UTC, datetime, timedelta

from etl.run.leases import Leases
from etl.tasks import PendingTask

NOW = datetime(2026, 11, 1, tzinfo=UTC)
ONE, TWO, THREE = (PendingTask(task_id=str(number)) for number in (1, 2, 3))


def leases_of(*tasks, clock=lambda: NOW):
    leases = Leases(seconds=300, clock=clock)
    leases.take(tasks)
    return leases


def test_a_task_that_is_accounted_for_is_no_longer_held():
    leases = leases_of(ONE, TWO)

    leases.drop([ONE, THREE])

    assert (leases.held, leases.holds(ONE), leases.holds(TWO), leases.lost) == ([TWO], False, True, 0)


def test_a_lost_task_is_counted_once():
    leases = leases_of(ONE, TWO)

    assert leases.note_renewal(NOW, {"1", "3"}) == 1
    assert leases.note_renewal(NOW, {"1", "3"}) == 0

    assert (leases.held, leases.lost) == ([TWO], 1)


def test_a_task_that_a_load_settles_before_it_returns_is_not_lost():
    leases = leases_of(ONE, TWO)

    with leases.loading([ONE]):
        assert leases.note_renewal(NOW, {"1", "2"}) == 1

    assert leases.held == [ONE]
    assert leases.note_renewal(NOW, {"1"}) == 1


def test_leases_may_have_ended_if_the_last_renewal_is_older_than_a_lease():
    now = NOW
    leases = leases_of(ONE, clock=lambda: now)

    now = NOW + timedelta(seconds=299)
    assert not leases.may_have_ended
    leases.note_renewal(now, set())
    now = NOW + timedelta(seconds=598)
    assert not leases.may_have_ended
    now = NOW + timedelta(seconds=599)
    assert leases.may_have_ended
