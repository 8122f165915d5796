from dataclasses import replace
from datetime import UTC, datetime

import pytest

from etl.errors import ConfigurationError, CredentialsRefusedError
from etl.fetch.quarantine import MAX_FORBIDDEN, MAX_REFUSED, Quarantine
from etl.tasks import FetchFailure, Observation, PendingTask
from etl.tasks.detail import TaskDetail
from etl.tasks.failure_reasons import FailureReason

NOW = datetime(2026, 11, 7, tzinfo=UTC)
TASK = PendingTask(task_id="17")
GOOD = Observation(task=TASK, detail=TaskDetail(task_id="17", status=2), observed_at=NOW)


def failure(reason, status, code=None):
    return FetchFailure(task=TASK, reason=reason, failed_at=NOW, detail="no", http_status=status, error_code=code)


REJECTED = failure(FailureReason.REJECTED, 400)
FORBIDDEN = failure(FailureReason.FORBIDDEN, 403)
PAGE_NOT_FOUND = replace(failure(FailureReason.NOT_FOUND, 404), own_reason=FailureReason.NOT_FOUND)
"""An unrecognized response that was repeated."""


@pytest.mark.parametrize("doubtful", [REJECTED, FORBIDDEN, PAGE_NOT_FOUND])
def test_a_refusal_waits_for_a_good_answer(doubtful):
    quarantine = Quarantine()
    assert quarantine.admit(doubtful) == []
    assert quarantine.admit(GOOD) == [doubtful, GOOD]
    assert quarantine.release() == []


@pytest.mark.parametrize(
    "certain",
    [
        failure(FailureReason.NOT_FOUND, 404, "13000309"),
        failure(FailureReason.NOT_FOUND, 400, "13000309"),
        failure(FailureReason.REJECTED, 494),
        failure(FailureReason.BAD_PAYLOAD, 200),
        failure(FailureReason.SERVER_ERROR, 500),
    ],
)
def test_an_unambiguous_failure_is_released_at_once(certain):
    assert Quarantine().admit(certain) == [certain]


@pytest.mark.parametrize("refused", [REJECTED, PAGE_NOT_FOUND])
def test_refusals_after_a_good_answer_are_trusted(refused):
    quarantine = Quarantine()
    quarantine.admit(GOOD)
    assert [quarantine.admit(refused) for _ in range(1000)] == [[refused]] * 1000


@pytest.mark.parametrize("refused", [REJECTED, PAGE_NOT_FOUND])
def test_only_refusals_indicate_a_wrong_address(refused):
    quarantine = Quarantine()
    assert [quarantine.admit(refused) for _ in range(MAX_REFUSED - 1)] == [[]] * (MAX_REFUSED - 1)
    assert quarantine.suspicion() is None
    quarantine.admit(refused)
    suspicion = quarantine.suspicion()
    assert type(suspicion) is ConfigurationError
    assert f"refused 25 requests and answered none, most recently: HTTP {refused.http_status}. Check api" in str(
        suspicion
    )
    assert "a run with --limit 24 makes dead letters of the oldest" in str(suspicion)
    assert quarantine.trust() == [refused] * MAX_REFUSED
    assert quarantine.suspicion() is None
    assert quarantine.admit(refused) == [refused]


def test_many_403s_in_a_row_are_suspicious_even_after_good_answers():
    quarantine = Quarantine()
    quarantine.admit(GOOD)
    for _ in range(MAX_FORBIDDEN - 1):
        quarantine.admit(FORBIDDEN)
    assert len(quarantine.admit(GOOD)) == MAX_FORBIDDEN
    for _ in range(MAX_FORBIDDEN):
        assert quarantine.suspicion() is None
        quarantine.admit(FORBIDDEN)
    suspicion = quarantine.suspicion()
    assert type(suspicion) is CredentialsRefusedError
    assert "forbids 20 tasks in a row" in str(suspicion)


def test_the_last_held_refusals_are_released_at_the_end():
    quarantine = Quarantine()
    for refused in (REJECTED, FORBIDDEN):
        quarantine.admit(refused)
    assert quarantine.release() == [REJECTED, FORBIDDEN]
