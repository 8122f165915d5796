from datetime import UTC, datetime

import pytest

from etl.errors import ConfigurationError, CredentialsRefusedError
from etl.failure_reasons import FailureReason
from etl.fetch.quarantine import MAX_FORBIDDEN, MAX_REFUSED, Quarantine
from etl.tasks import FetchFailure, Observation, PendingTask, TaskDetail

NOW = datetime(2026, 11, 7, tzinfo=UTC)
TASK = PendingTask(task_id="17")
GOOD = Observation(task=TASK, detail=TaskDetail(task_id="17", status=2), observed_at=NOW)


def failure(reason, status, code=None):
    return FetchFailure(task=TASK, reason=reason, failed_at=NOW, detail="no", http_status=status, error_code=code)


REJECTED = failure(FailureReason.REJECTED, 400)
FORBIDDEN = failure(FailureReason.FORBIDDEN, 403)
PAGE_NOT_FOUND = failure(FailureReason.NOT_FOUND, 404)


@pytest.mark.parametrize("doubted", [REJECTED, FORBIDDEN, PAGE_NOT_FOUND])
def test_a_refusal_waits_for_a_good_answer(doubted):
    doubt = Quarantine()
    assert doubt.admit(doubted) == []
    assert doubt.admit(GOOD) == [doubted, GOOD]
    assert doubt.release() == []


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
def test_what_surely_concerns_its_task_is_passed_on(certain):
    assert Quarantine().admit(certain) == [certain]


@pytest.mark.parametrize("refused", [REJECTED, PAGE_NOT_FOUND])
def test_refusals_after_a_good_answer_are_believed(refused):
    doubt = Quarantine()
    doubt.admit(GOOD)
    assert [doubt.admit(refused) for _ in range(1000)] == [[refused]] * 1000


@pytest.mark.parametrize("refused", [REJECTED, PAGE_NOT_FOUND])
def test_nothing_but_refusals_is_our_fault(refused):
    doubt = Quarantine()
    assert [doubt.admit(refused) for _ in range(MAX_REFUSED - 1)] == [[]] * (MAX_REFUSED - 1)
    with pytest.raises(ConfigurationError, match=r"refused 25 requests and answered none, at last: no\. Check api"):
        doubt.admit(refused)


def test_many_forbidden_in_a_row_are_our_fault_even_after_good_answers():
    doubt = Quarantine()
    doubt.admit(GOOD)
    for _ in range(MAX_FORBIDDEN - 1):
        doubt.admit(FORBIDDEN)
    assert len(doubt.admit(GOOD)) == MAX_FORBIDDEN
    for _ in range(MAX_FORBIDDEN - 1):
        doubt.admit(FORBIDDEN)
    with pytest.raises(CredentialsRefusedError, match="forbids 20 tasks in a row"):
        doubt.admit(FORBIDDEN)


def test_at_the_end_the_few_that_are_left_are_believed():
    doubt = Quarantine()
    for refused in (REJECTED, FORBIDDEN):
        doubt.admit(refused)
    assert doubt.release() == [REJECTED, FORBIDDEN]
