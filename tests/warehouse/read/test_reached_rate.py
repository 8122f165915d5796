"""The rate that a plan takes from the runs before it: that of healthy runs."""

from dataclasses import asdict
from datetime import timedelta

import pytest

from etl.runs import AuditRun
from etl.warehouse.read.overview import reached_rate
from etl.warehouse.tables import audit_run

NIGHTS = {
    "no run": ([], None),
    "one that waited for a task without an answer": ([(404, 123, 75)], None),
    "two of those after a good one": ([(4_000, 25, 0), (404, 123, 75), (169, 123, 75)], 160),
    "a short one whose dead letter took minutes": ([(404, 130, 65)], None),
    "too few requests": ([(99, 1, 0)], None),
    "a long one that stopped": ([(30_000, 300, 75)], 100),
    "an outage among good ones": ([(13_000, 100, 0), (13_000, 1_300, 75), (13_000, 200, 0)], 65),
    "an outage and a good one": ([(13_000, 1_300, 75), (13_000, 200, 0)], 65),
    "an API that is slow since five nights": ([(4_000, 25, 0)] * 3 + [(4_000, 400, 0)] * 5, 10),
    "one that was killed": ([(40_000, None, None)], None),
    "no time at all": ([(4_000, 0, 0)], None),
}
"""The runs of some nights, oldest first, at 200 requests per second at most: requests, seconds and exit code."""


@pytest.mark.parametrize("nights", NIGHTS)
def test_the_reached_rate_is_the_median_of_healthy_runs(audit, nights):
    runs, rate = NIGHTS[nights]
    with audit.engine.begin() as connection:
        for day, (requests, seconds, exit_code) in enumerate(runs):
            started_at = audit.noon + timedelta(days=day)
            run = AuditRun(
                started_at=started_at,
                finished_at=None if seconds is None else started_at + timedelta(seconds=seconds),
                exit_code=exit_code,
                requests=requests,
                max_rate=200,
            )
            connection.execute(audit_run.insert(), asdict(run))
    assert reached_rate(audit.engine) == rate


def test_a_replay_shows_no_rate(audit):
    ended = {"exit_code": 0, "requests": 4_000, "max_rate": 0, "finished_at": audit.at(1)}
    with audit.engine.begin() as connection:
        connection.execute(audit_run.insert(), asdict(AuditRun(started_at=audit.noon, **ended)))
    assert reached_rate(audit.engine) is None
