"""A run waits for nothing that waits for the run itself."""

import asyncio

import pytest

from etl.tasks import FetchFailure, PendingTask
from etl.tasks.failure_reasons import FailureReason
from tests.run.memory import NOW, MemorySource, MemoryWarehouse, run_virtually_to_end, succeed


class ImpatientSource(MemorySource):
    """Ends a run that renews its leases for hours: it waits for something that never comes."""

    renewals = 0

    def renew(self, held):
        self.renewals += 1
        assert self.renewals < 100
        return super().renew(held)


def failing(**reasons):
    """Make an API that fails for some tasks for good, and answers about the others."""

    async def ask(task):
        reason = reasons.get(f"t{task.task_id}")
        if reason is None:
            return await succeed(task)
        own = FailureReason.REJECTED if reason is FailureReason.UNRECOGNIZED else None
        return FetchFailure(task=task, reason=reason, failed_at=NOW, detail="no", own_reason=own)

    return ask


def test_a_task_that_may_have_killed_runs_does_not_wait_for_a_refusal_that_waits_for_the_next_answer():
    source = ImpatientSource(3)
    source.suspects = [PendingTask(task_id="30", attempts=5)]

    run = run_virtually_to_end(source, MemoryWarehouse(), failing(t3=FailureReason.FORBIDDEN))

    assert (run.exit_code, run.audited, run.dead_lettered) == (65, 3, 1)


def test_a_long_wait_for_earlier_tasks_takes_few_looks():
    source, looks = ImpatientSource(1), []
    source.suspects = [PendingTask(task_id="30", attempts=5)]

    async def ask_slowly(task):
        await asyncio.sleep(60)
        return await succeed(task)

    def count_looks(shutdown):
        sleep = shutdown.sleep

        async def counted(seconds):
            looks.append(seconds)
            await sleep(seconds)

        shutdown.sleep = counted

    run = run_virtually_to_end(source, MemoryWarehouse(), ask_slowly, prepare=count_looks)

    assert (run.exit_code, run.audited) == (0, 2)
    assert len(looks) < 100


class TwoRuns(ImpatientSource):
    """A queue with another run, which waits as long as this one holds tasks, and holds one itself until then."""

    def count_others(self):
        return 1 if self.held else 0


@pytest.mark.parametrize(
    "reason",
    [FailureReason.UNRECOGNIZED, FailureReason.FORBIDDEN],
    ids=["a deferred task", "a refusal that waits for an answer"],
)
def test_a_run_ends_its_own_tasks_before_it_waits_for_those_of_another(reason):
    run = run_virtually_to_end(TwoRuns(3), MemoryWarehouse(), failing(t3=reason))

    assert (run.exit_code, run.audited, run.dead_lettered) == (65, 2, 1)


def test_two_runs_that_wait_for_each_other_end_within_a_second():
    """Each had tasks that were answered and waited for their batch to fill, and looked after the other every 5 s."""
    source, looks = TwoRuns(3), []

    def note_look():
        looks.append(asyncio.get_running_loop().time())
        return TwoRuns.count_others(source)

    source.count_others = note_look
    run = run_virtually_to_end(source, MemoryWarehouse())

    assert (run.exit_code, run.audited) == (0, 3)
    assert 0 < looks[-1] - looks[0] < 1


class LongRun(ImpatientSource):
    """A queue with another run, which takes ten minutes more."""

    began_at = None
    looks = claims = 0

    def claim(self, limit, *, in_turns=False):
        self.claims += 1
        return super().claim(limit, in_turns=in_turns)

    def count_others(self):
        now = asyncio.get_running_loop().time()
        self.began_at = self.began_at or now
        self.looks += 1
        return now < self.began_at + 600


def test_a_long_wait_for_another_run_takes_few_looks_and_no_claim():
    source = LongRun(3)

    run = run_virtually_to_end(source, MemoryWarehouse())

    assert (run.exit_code, run.audited) == (0, 3)
    assert source.looks < 130
    assert source.claims == 2


def test_a_task_that_another_run_releases_is_claimed():
    source = LongRun(3)

    def release():
        source.waiting = [PendingTask(task_id="4")]

    def prepare(_shutdown):
        asyncio.get_running_loop().call_later(300, release)

    run = run_virtually_to_end(source, MemoryWarehouse(), prepare=prepare)

    assert (run.exit_code, run.audited) == (0, 4)
    assert source.claims == 4
