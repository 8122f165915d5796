"""What a report tells of one run, of a night or of a period."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from itertools import product
from random import Random

import pytest

from etl.times.night import night_of
from etl.warehouse.calendar import follow_zone
from etl.warehouse.read.news import Period
from etl.warehouse.read.period import LetterNews, find, find_run, last_start
from etl.warehouse.read.trend import trend
from etl.warehouse.schema import warehouse_schema

TASKS = [str(number) for number in range(1, 7)]
STATUSES = (0, 1, 2, 3, 7)
NOW = datetime(2026, 11, 20, tzinfo=UTC)


def counted(rows):
    return {row.result_code: row.tasks for row in rows}


def test_news_are_those_of_the_run_or_the_last_of_the_period(audit):
    runs = {name: audit.begin(name, minute=minute) for name, minute in (("run-1", 0), ("run-2", 2), ("run-3", 9))}
    audit.load(audit.seen(1, 0, task_id="1"), audit.seen(3, 1, task_id="2", result_code="A"), run=runs["run-1"])
    audit.load(audit.seen(3, 2, task_id="3", result_code="B"), run=runs["run-2"])
    ended = [audit.seen(3, 9, task_id="1", result_code="C"), audit.seen(3, 9, task_id="2", result_code="D")]
    audit.load(*ended, run=runs["run-3"])

    def found(until, run_id=None):
        findings = find(audit.engine, Period(start=audit.noon, end=audit.at(until), run_id=run_id), now=NOW)
        return counted(findings.failures), findings.outcomes.news_of_open, findings.outcomes.still_open

    assert found(3, "run-1")[:2] == ({"A": 1}, 1)
    assert found(3) == ({"A": 1, "B": 1}, 1, 1)
    assert found(10) == ({"B": 1, "C": 1, "D": 1}, 0, 0)


def test_what_a_run_saw_belongs_to_the_night_in_which_it_began(audit):
    run = audit.begin("run-1", minute=5 * 60)
    audit.load(audit.seen(3, 5 * 60), audit.seen(3, 7 * 60, task_id="2"), run=run)
    night = night_of(audit.at(5 * 60))
    assert night.end == audit.at(6 * 60)
    for each, failed in ((night, 2), (night.before(-1), 0)):
        findings = find(audit.engine, Period(start=each.start, end=each.end), now=NOW)
        assert findings.outcomes.failed == failed
        assert sum(day.failed for day in findings.days) == failed


def test_days_follow_the_time_zone_of_the_warehouse(audit):
    """Tasks of the last hour of a day in UTC, of the first, and of an hour of the next day in Shanghai."""
    at = {"1": datetime(2026, 11, 1, 23, 30, tzinfo=UTC), "2": datetime(2026, 11, 1, tzinfo=UTC)}
    at |= {"3": datetime(2026, 11, 1, 15, 59, tzinfo=UTC), "4": datetime(2026, 11, 1, 16, tzinfo=UTC)}
    audit.load(*(audit.seen(3, 1, task_id=task_id, submitted_at=each) for task_id, each in at.items()))

    def days(zone):
        follow_zone(audit.engine, warehouse_schema(None).version, zone)
        found = find(audit.engine, Period(start=audit.noon, end=audit.at(9)), now=NOW)
        return {day.day: day.failed for day in found.days}

    assert days("Asia/Shanghai") == {"2026-11-01": 2, "2026-11-02": 2}
    assert days("America/New_York") == {"2026-10-31": 1, "2026-11-01": 3}
    assert days("UTC") == {"2026-11-01": 4}


def test_a_replay_is_no_night(audit):
    night = replace(audit.begin("run-1"), finished_at=audit.at(5))
    audit.warehouse.finish(night, {})
    audit.warehouse.start(replace(night, run_id="replay", max_rate=0.0, started_at=audit.at(9)))

    assert last_start(audit.engine) == audit.noon
    assert find_run(audit.engine, "replay").max_rate == 0
    runs = find(audit.engine, Period(start=audit.noon, end=audit.at(10)), now=NOW).runs
    assert [run.run_id for run in runs] == ["run-1"]


def test_changes_without_the_row_of_their_run_belong_to_the_night_in_which_they_were_observed(audit):
    replay = replace(audit.begin("replay", minute=3 * 24 * 60), max_rate=0.0)
    audit.load(audit.seen(3, 1, result_code="A"), run=replay)
    assert counted(find(audit.engine, Period(start=audit.noon, end=audit.at(10)), now=NOW).failures) == {"A": 1}
    assert trend(audit.engine, night_of(audit.noon)).percent == 100


def test_dead_letters_are_new_or_failed_again(audit):
    first = audit.begin("run-1")
    audit.load(audit.failed(1, task_id="1"), audit.failed(1, task_id="2"), run=first)
    second = audit.begin("run-2", minute=24 * 60)
    audit.load(audit.failed(24 * 60 + 1, task_id="2"), audit.failed(24 * 60 + 1, task_id="3"), run=second)

    def found(night):
        return find(audit.engine, Period(start=night.start, end=night.end), now=NOW).letter_news

    assert found(night_of(audit.noon)) == [LetterNews(reason="not_found", new=1, again=0)]
    assert found(night_of(audit.noon).before(-1)) == [LetterNews(reason="not_found", new=1, again=1)]


def three_workers_and_four_nights(audit, seed):
    """Let three workers a night see six tasks in all states, and return what they saw, the oldest first."""
    chance, history = Random(seed), []
    for night, worker in product(range(4), range(3)):
        minute = 24 * 60 * night + 60 * worker
        seen = {task_id: chance.choice(STATUSES) for task_id in chance.sample(TASKS, chance.randint(0, len(TASKS)))}
        answers = [
            audit.seen(
                status,
                minute,
                task_id=task_id,
                tenant_id=f"tenant-{int(task_id) % 2}",
                result_code=f"code-{int(task_id) % 3}" if status == 3 else None,
            )
            for task_id, status in seen.items()
        ]
        audit.load(*answers, run=audit.begin(f"{night}-{worker}", claimed=len(answers), minute=minute))
        history += [(night_of(audit.at(minute)), task_id, status) for task_id, status in seen.items()]
    return history


@pytest.mark.parametrize("seed", range(3))
def test_the_numbers_of_nights_agree_with_each_other_and_with_sql(audit, seed):
    history = three_workers_and_four_nights(audit, seed)
    facts = {row["task_id"]: row for row in audit.rows("fact_task_status")}
    latest = max((night for night, *_ in history), key=lambda night: night.day)
    compared = {each.night: each for each in trend(audit.engine, latest).nights}
    ever = {}
    for night in sorted({night for night, *_ in history}, key=lambda night: night.day):
        tonight = {}
        for each, task_id, status in history:
            if each == night:
                ever[task_id] = tonight[task_id] = status
        # A finished task stays as it is, and a look that changed nothing is no news.
        period = Period(start=night.start, end=night.end)
        found = find(audit.engine, period, now=NOW)
        outcomes = found.outcomes
        changed = {
            row["task_id"] for row in audit.rows("fact_task_status_change") if night_of(row["observed_at"]) == night
        }
        statuses = Counter(tonight[task_id] for task_id in changed)
        assert (outcomes.succeeded, outcomes.failed) == (statuses[2], statuses[3])
        assert outcomes.changed == len(changed)
        assert outcomes.still_open == sum(status not in {2, 3} for status in ever.values())
        assert sum(day.succeeded + day.failed + day.still_open for day in found.days) == outcomes.changed
        assert sum(row.tasks for row in found.failures) == outcomes.failed
        assert sum(row.tasks for row in found.tenants) == outcomes.failed
        assert outcomes.changed <= sum(run.changed for run in found.runs_of(period))
        ended = statuses[2] + statuses[3]
        assert (
            (compared[night].ended, compared[night].failed) == (ended, statuses[3]) if ended else night not in compared
        )
    assert outcomes.still_open == sum(row["status"] not in {2, 3} for row in facts.values())
