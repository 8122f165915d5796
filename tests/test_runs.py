"""A run: its numbers, the check that they balance, and its exit code."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.error_codes import Code
from etl.errors import (
    BugError,
    ConfigurationError,
    CredentialsRefusedError,
    OutageError,
    StoppedError,
    UnavailableError,
)
from etl.exit_codes import ExitCode
from etl.runs import RUNNING, AuditRun, begin_run, reason, verdict
from etl.tasks import Selection

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)


def run_with(**numbers):
    return AuditRun(started_at=NOON, max_rate=50, **numbers)


def test_a_run_begins_with_nothing_done():
    since, until = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 8, tzinfo=UTC)
    run = begin_run(Selection(since=since, until=until), max_rate=12.5, now=NOON)
    assert (run.started_at, run.since, run.until, run.max_rate) == (NOON, since, until, 12.5)
    assert (run.outcome, run.finished_at, run.exit_code) == (RUNNING, None, None)
    assert run.is_balanced


def test_the_duration_and_the_rate_of_a_run_are_zero_until_it_has_ended():
    running = run_with(requests=10)
    ended = run_with(requests=10, finished_at=NOON + timedelta(seconds=4))
    assert (running.seconds, running.requests_per_second) == (0, 0)
    assert (ended.seconds, ended.requests_per_second) == (4, 2.5)


def test_ids_sort_by_the_order_of_the_runs():
    ids = [run_with().run_id for _ in range(1000)]
    assert ids == sorted(set(ids))


@pytest.mark.parametrize(
    ("numbers", "balanced"),
    [
        ({}, True),
        ({"claimed": 6, "audited": 3, "changed": 2, "unchanged": 1, "dead_lettered": 2, "released": 1}, True),
        ({"claimed": 1}, False),
        ({"claimed": 1, "audited": 1}, False),
        ({"claimed": 1, "audited": 1, "changed": 1, "unchanged": 1}, False),
        ({"claimed": 1, "dead_lettered": 1, "released": 1}, False),
    ],
)
def test_balance(numbers, balanced):
    assert run_with(**numbers).is_balanced is balanced


@pytest.mark.parametrize(
    ("numbers", "ended_by", "exit_code"),
    [
        ({}, None, ExitCode.OK),
        ({"claimed": 2, "audited": 2, "changed": 1, "unchanged": 1}, None, ExitCode.OK),
        ({"claimed": 2, "audited": 1, "changed": 1, "dead_lettered": 1}, None, ExitCode.DEAD_LETTERS),
        ({"claimed": 1, "dead_lettered": 1}, None, ExitCode.DEAD_LETTERS),
        ({"claimed": 2, "audited": 1, "changed": 1, "released": 1}, None, ExitCode.STOPPED),
        ({"claimed": 2, "dead_lettered": 1, "released": 1}, None, ExitCode.STOPPED),
        ({"claimed": 2, "released": 2}, None, ExitCode.UNAVAILABLE),
        (
            {"claimed": 2, "released": 2},
            StoppedError("signal", code=Code.STOPPED_BY_SIGNAL, remedy="Go on."),
            ExitCode.STOPPED,
        ),
        (
            {"claimed": 2, "released": 2},
            CredentialsRefusedError("401", code=Code.CREDENTIALS_REFUSED, remedy="Renew them."),
            ExitCode.CREDENTIALS,
        ),
        (
            {"claimed": 2, "released": 2},
            ConfigurationError("400", code=Code.SETTING_WRONG, remedy="Fix it."),
            ExitCode.CONFIGURATION,
        ),
        (
            {"claimed": 1, "audited": 1, "changed": 1},
            UnavailableError("down", code=Code.DATABASE_UNAVAILABLE, remedy="Wait."),
            ExitCode.UNAVAILABLE,
        ),
        ({"claimed": 1, "audited": 1, "changed": 1}, BugError("?", code=Code.BUG, remedy="Report it."), ExitCode.BUG),
        ({"claimed": 1}, None, ExitCode.BUG),
        ({"claimed": 1}, StoppedError("signal", code=Code.STOPPED_BY_SIGNAL, remedy="Go on."), ExitCode.BUG),
    ],
)
def test_verdict(numbers, ended_by, exit_code):
    run = run_with(**numbers)
    assert verdict(run, ended_by) is exit_code
    # Whatever is no success has a code, a sentence and a remedy.
    went_through = exit_code in {ExitCode.OK, ExitCode.DEAD_LETTERS}
    assert (reason(run, ended_by) is None) == went_through


OUTAGE = OutageError("down", code=Code.API_UNAVAILABLE, remedy="Wait.")


@pytest.mark.parametrize(
    ("numbers", "settled_locally", "ended_by", "exit_code"),
    [
        ({"dead_lettered": 2}, 2, None, ExitCode.DEAD_LETTERS),
        ({"dead_lettered": 1, "released": 1}, 1, None, ExitCode.UNAVAILABLE),
        ({"dead_lettered": 2, "released": 1}, 1, None, ExitCode.STOPPED),
        ({"dead_lettered": 1, "released": 1, "audited": 1, "changed": 1}, 1, None, ExitCode.STOPPED),
        ({"dead_lettered": 1, "released": 1}, 1, OUTAGE, ExitCode.UNAVAILABLE),
        ({"dead_lettered": 2, "released": 1}, 1, OUTAGE, ExitCode.STOPPED),
        ({"dead_lettered": 1, "audited": 1, "unchanged": 1}, 1, None, ExitCode.DEAD_LETTERS),
    ],
)
def test_a_dead_letter_that_the_job_made_by_itself_does_not_show_that_the_api_was_available(
    numbers, settled_locally, ended_by, exit_code
):
    claimed = sum(numbers.get(name, 0) for name in ("audited", "dead_lettered", "released"))
    assert verdict(run_with(claimed=claimed, **numbers), ended_by, settled_locally=settled_locally) is exit_code


def test_the_reason_is_what_ended_a_run_unless_its_numbers_are_wrong():
    stopped = StoppedError("signal", code=Code.STOPPED_BY_SIGNAL, remedy="Go on.")
    assert reason(run_with(claimed=2, released=2), stopped) is stopped
    assert reason(run_with(claimed=2, audited=1, changed=1, released=1), None).code is Code.TASKS_UNANSWERED
    wrong = reason(run_with(claimed=2), stopped)
    assert (wrong.code, wrong.message.endswith("0 accounted for. It had ended early: signal")) == (Code.BUG, True)
    bug = BugError("?", code=Code.BUG, remedy="Report it.")
    assert reason(run_with(claimed=2), bug) is bug


@given(*[st.integers(0, 2)] * 6)
def test_success_means_that_every_claimed_task_was_audited(claimed, audited, changed, unchanged, dead, released):
    run = run_with(
        claimed=claimed, audited=audited, changed=changed, unchanged=unchanged, dead_lettered=dead, released=released
    )
    exit_code = verdict(run, None)
    assert exit_code is not ExitCode.USAGE
    if exit_code is ExitCode.OK:
        assert claimed == audited == changed + unchanged


def test_every_exit_code_has_its_own_outcome():
    assert len({code.outcome for code in ExitCode} | {RUNNING}) == len(ExitCode) + 1
