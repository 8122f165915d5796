"""Pages of other servers with every status, on virtual time: they cost no task."""

import re
from collections import Counter
from functools import partial

import pytest

from docs.generate.responses import page as table_of_responses
from etl.errors import CredentialsRefusedError, OutageError, TaskAuditError
from etl.exit_codes import ExitCode
from etl.fake_api.world import draw
from etl.koodrive.detail import interpret
from etl.tasks import FetchFailure, Observation
from etl.tasks.failure_reasons import FailureReason
from tests.fetch.gate_nights import NOW, World, new_task, night, observed
from tests.koodrive.task_responses import response

STATUSES = [200, *(status for status in range(300, 600) if status != 401)]
"""Credentials are renewed after a 401, and a second one ends the run: that is the client's part, not the pool's."""
HTML = partial(response, b"<html><title>Not here</title></html>", content_type="text/html")
JSON = partial(response, {"ok": True, "code": 404, "message": "Not Found"})
ROW = re.compile(r"^\| (\d+)(?: to (\d+))? \|.*\[`([a-z-]+)`\]\(", re.MULTILINE)
ENDS = {
    status: code
    for first, last, code in ROW.findall(table_of_responses())
    for status in range(int(first), int(last or first) + 1)
}
"""The code of the error that ends a run, by the HTTP status of each response, as the documentation has it."""
LOGIN = {"Location": "https://portal.example/login"}
TASKS = 300


class Gateway(World):
    """A gateway that responds in place of the API from ``begin`` to ``end``, in seconds."""

    def __init__(self, page, *, begin=0.0, end=1e9, only=None):
        super().__init__()
        self.page = page
        self.begin, self.end = begin, end
        self.only = only
        self.asks = Counter()

    def outcome(self, now, task):
        self.asks[task.task_id] += 1
        if not self.begin <= now < self.end or (self.only and task.task_id not in self.only):
            return None
        try:
            return interpret(self.page, task, now=NOW)
        except TaskAuditError as error:
            return error


@pytest.mark.parametrize("form", [HTML, JSON], ids=["html", "json"])
@pytest.mark.parametrize("status", STATUSES)
def test_a_page_from_the_start_ends_the_run_and_gives_up_nothing(form, status):
    world = Gateway(form(status=status, headers=LOGIN))
    delivered, _, reason, seconds = night(world, tasks=TASKS)
    assert not any(outcome.is_lasting for outcome in delivered)
    assert reason.code == ENDS[status]
    assert reason.exit_code in {ExitCode.UNAVAILABLE, ExitCode.CREDENTIALS, ExitCode.CONFIGURATION, ExitCode.STOPPED}
    assert seconds < 1000
    assert len(world.sent_at) < 200


@pytest.mark.parametrize("form", [HTML, JSON], ids=["html", "json"])
@pytest.mark.parametrize("status", STATUSES)
def test_a_page_for_five_seconds_in_mid_run_costs_no_task(form, status):
    world = Gateway(form(status=status, headers=LOGIN), begin=0.5, end=5.5)
    delivered, _, reason, _ = night(world, tasks=TASKS)
    assert not any(isinstance(outcome, FetchFailure) for outcome in delivered)
    if status in {407, 511}:
        assert isinstance(reason, TaskAuditError)
        return
    assert reason is None
    assert observed(delivered) == TASKS


def test_the_pause_begins_with_the_first_page_and_the_probes_are_about_an_answered_task():
    world = Gateway(HTML(status=404), begin=0.5, end=20)
    delivered, pool, _, _ = night(world, tasks=1000)
    assert observed(delivered) == 1000
    # The requests in flight, one probe at once, and the probes after the pauses.
    assert sum(0.56 < moment < 20 for moment in world.sent_at) <= 4
    assert max(world.asks.values()) <= 4
    assert pool.traffic.requests == len(world.sent_at)


def test_a_page_for_one_task_is_its_own_after_looks_minutes_apart():
    world = Gateway(HTML(status=404), only={"17"})
    delivered, _, reason, seconds = night(world, tasks=1000)
    (failure,) = [outcome for outcome in delivered if isinstance(outcome, FetchFailure)]
    assert (failure.reason, failure.task.task_id, failure.is_lasting) == (FailureReason.NOT_FOUND, "17", True)
    assert observed(delivered) == 999
    assert reason is None
    assert world.asks["17"] == 6
    assert seconds > 120


@pytest.mark.parametrize("share", [0.01, 0.05])
def test_a_page_by_chance_costs_no_task(share):
    class Noisy(Gateway):
        def outcome(self, now, task):
            is_struck = draw("page", task.task_id, self.asks[task.task_id]) < share
            self.asks[task.task_id] += 1
            return interpret(self.page, task, now=NOW) if is_struck else None

    delivered, _, reason, _ = night(Noisy(HTML(status=404)), tasks=5000)
    assert reason is None
    assert all(isinstance(outcome, Observation) for outcome in delivered)


def test_pages_for_many_tasks_and_answers_about_few_are_tasks_of_their_own():
    world = Gateway(HTML(status=404), only={str(number) for number in range(0, 1000, 2)})
    delivered, _, reason, seconds = night(world, tasks=1000)
    assert reason is None
    assert observed(delivered) == 500
    assert sum(outcome.is_lasting for outcome in delivered if isinstance(outcome, FetchFailure)) == 500
    assert seconds < 600


def test_a_task_that_is_alone_is_never_given_up():
    delivered, _, reason, seconds = night(Gateway(HTML(status=404)), tasks=1)
    assert delivered == []
    assert reason.exit_code is ExitCode.CONFIGURATION
    assert seconds == pytest.approx(60, abs=1)


def test_a_task_that_is_alone_is_compared_with_one_of_an_earlier_run_and_not_with_itself():
    world = Gateway(HTML(status=404), only={"0"})
    delivered, _, reason, _ = night(world, tasks=1, elsewhere=[new_task(0), new_task(17)])
    assert [(each.task.task_id, each.reason) for each in delivered] == [("0", FailureReason.NOT_FOUND)]
    assert (reason, world.asks["0"]) == (None, 6)


def test_an_end_in_mid_run_is_an_outage_except_for_credentials():
    for status, error in ((404, OutageError), (302, OutageError), (403, CredentialsRefusedError)):
        _, _, reason, seconds = night(Gateway(HTML(status=status), begin=0.5), tasks=TASKS)
        assert type(reason) is error
        assert f"HTTP {status}" in reason.message
        assert seconds > 800
