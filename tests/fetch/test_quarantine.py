from datetime import UTC, datetime

import pytest

from etl.errors import ConfigurationError, CredentialsRefusedError
from etl.fetch.quarantine import MOST_FORBIDDEN, MOST_REFUSED, Doubt
from etl.tasks import FailureReason, FetchFailure, Observation, PendingTask, TaskDetail

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
    doubt = Doubt()
    assert doubt.weigh(doubted) == []
    assert doubt.weigh(GOOD) == [doubted, GOOD]
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
    assert Doubt().weigh(certain) == [certain]


@pytest.mark.parametrize("refused", [REJECTED, PAGE_NOT_FOUND])
def test_refusals_after_a_good_answer_are_believed(refused):
    doubt = Doubt()
    doubt.weigh(GOOD)
    assert [doubt.weigh(refused) for _ in range(1000)] == [[refused]] * 1000


@pytest.mark.parametrize("refused", [REJECTED, PAGE_NOT_FOUND])
def test_nothing_but_refusals_is_our_fault(refused):
    doubt = Doubt()
    assert [doubt.weigh(refused) for _ in range(MOST_REFUSED - 1)] == [[]] * (MOST_REFUSED - 1)
    with pytest.raises(ConfigurationError, match=r"refused 25 requests and answered none, at last: no\. Check api"):
        doubt.weigh(refused)


def test_many_forbidden_in_a_row_are_our_fault_even_after_good_answers():
    doubt = Doubt()
    doubt.weigh(GOOD)
    for _ in range(MOST_FORBIDDEN - 1):
        doubt.weigh(FORBIDDEN)
    assert len(doubt.weigh(GOOD)) == MOST_FORBIDDEN
    for _ in range(MOST_FORBIDDEN - 1):
        doubt.weigh(FORBIDDEN)
    with pytest.raises(CredentialsRefusedError, match="forbids 20 tasks in a row"):
        doubt.weigh(FORBIDDEN)


def test_at_the_end_the_few_that_are_left_are_believed():
    doubt = Doubt()
    for refused in (REJECTED, FORBIDDEN):
        doubt.weigh(refused)
    assert doubt.release() == [REJECTED, FORBIDDEN]
