"""What a report tells of one run, or of a period."""

from dataclasses import replace

from etl.warehouse.read.period import Period, find, find_run


def counted(rows):
    return {row.result_code: row.tasks for row in rows}


def test_news_are_those_of_the_run_or_the_last_of_the_period(audit):
    audit.load(audit.seen(1, 0, task_id="1"), audit.seen(3, 1, task_id="2", result_code="A"), run="run-1")
    audit.load(audit.seen(3, 2, task_id="3", result_code="B"), run="run-2")
    audit.load(audit.seen(3, 9, task_id="1", result_code="C"), audit.seen(3, 9, task_id="2", result_code="D"), run="x")

    def found(until, run_id=None):
        findings = find(audit.engine, Period(start=audit.noon, end=audit.at(until), run_id=run_id))
        return counted(findings.failures), sum(row.still_open for row in findings.days)

    assert found(3, "run-1") == ({"A": 1}, 1)
    assert found(3) == ({"A": 1, "B": 1}, 1)
    assert found(10) == ({"B": 1, "C": 1, "D": 1}, 0)


def test_a_replay_is_no_night(audit):
    night = replace(audit.begin("run-1"), finished_at=audit.at(5))
    audit.warehouse.finish(night, {})
    audit.warehouse.start(replace(night, run_id="replay", max_rate=0.0, started_at=audit.at(9)))

    assert find_run(audit.engine, None).run_id == "run-1"
    assert find_run(audit.engine, "replay").max_rate == 0
    runs = find(audit.engine, Period(start=audit.noon, end=audit.at(10))).runs
    assert [run.run_id for run in runs] == ["run-1"]
