"""The account of the tasks that a run holds."""

from datetime import UTC, datetime, timedelta

import msgspec

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

    assert leases.note_renewal(NOW, [ONE, THREE]) == 1
    assert leases.note_renewal(NOW, [ONE, THREE]) == 0

    assert (leases.held, leases.lost) == ([TWO], 1)


def test_a_later_claim_of_a_task_replaces_one_that_another_run_took_over():
    leases = leases_of(ONE, TWO)
    again = msgspec.structs.replace(ONE, fence=ONE.fence + 2)

    leases.take([again])

    assert (leases.lost, leases.holds(ONE), leases.holds(again)) == (1, False, True)
    # A renewal that was under way asked about the earlier claim, and an outcome may be that of the earlier one.
    assert leases.note_renewal(NOW, [ONE]) == 0
    leases.drop([ONE])
    assert leases.held == [again, TWO]


def test_a_task_that_a_load_settles_before_it_returns_is_not_lost():
    leases = leases_of(ONE, TWO)

    with leases.loading([ONE]):
        assert leases.note_renewal(NOW, [ONE, TWO]) == 1

    assert leases.held == [ONE]
    assert leases.note_renewal(NOW, [ONE]) == 1


def test_a_claim_that_is_loaded_although_a_later_one_replaces_it_is_not_lost():
    leases = leases_of(ONE, TWO)
    again = msgspec.structs.replace(ONE, fence=ONE.fence + 2)

    with leases.loading([ONE]):
        leases.take([again])
        leases.drop([ONE])

    assert (leases.lost, leases.held) == (0, [again, TWO])


def test_a_claim_whose_load_fails_is_lost_if_a_later_one_replaces_it():
    leases = leases_of(ONE, TWO)
    again = msgspec.structs.replace(ONE, fence=ONE.fence + 2)

    with leases.loading([ONE]):
        leases.take([again])

    assert (leases.lost, leases.held) == (1, [again, TWO])


def test_leases_may_have_ended_if_the_last_renewal_is_older_than_a_lease():
    now = NOW
    leases = leases_of(ONE, clock=lambda: now)

    now = NOW + timedelta(seconds=299)
    assert not leases.may_have_ended
    leases.note_renewal(now, [])
    now = NOW + timedelta(seconds=598)
    assert not leases.may_have_ended
    now = NOW + timedelta(seconds=599)
    assert leases.may_have_ended
