"""Many workers on one queue: no task is fetched twice, the rate is one, and the tasks of a killed worker come back."""

import json
import signal
import time
from contextlib import ExitStack

import pytest
from pydantic import SecretStr

from etl.fake_api.stats import peak_per_second
from tests.crash.test_servers import ended, wait_for_requests
from tests.nights import FINISHED

WORKERS = 4
LEASE_SECONDS = 6


def rate_between(arrivals, begin, end):
    return sum(begin <= moment < end for moment in arrivals) / (end - begin)


def wait_for_owners(ledger, number):
    """Wait until so many runs hold tasks: on a busy machine, a process may need seconds to start."""
    owners = "SELECT COUNT(DISTINCT lease_owner) FROM pending_task WHERE lease_owner IS NOT NULL"
    while ledger.night.rows(owners, "source") != [(number,)]:
        time.sleep(0.05)  # another process is at work, on its own clock


def freeze_outside_transactions(ledger, worker):
    """Freeze a process while it holds no lock, which the other would wait for; returns when it did."""
    pausing = (
        "SELECT COUNT(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'"
        " AND datname = current_database() AND state_change < clock_timestamp() - INTERVAL '0.2 s'"
    )
    while True:
        worker.send_signal(signal.SIGSTOP)
        frozen_at = time.monotonic()
        time.sleep(0.4)  # the other process is at work, on its own clock
        if ledger.night.rows(pausing, "source") == [(0,)]:
            return frozen_at
        worker.send_signal(signal.SIGCONT)
        time.sleep(0.05)


def run_id_of(stderr):
    return next(json.loads(line)["run_id"] for line in stderr.splitlines() if "run_started" in line)


def four_workers_of_which_one_dies(ledger_of, url, *, tasks, max_rate, dies_at):
    settings = {"api__max_rate": max_rate, "run__lease_seconds": LEASE_SECONDS, "run__batch_size": 200}
    with ledger_of((url, url), tasks=tasks, **settings) as ledger, ExitStack() as processes:
        workers = [processes.enter_context(ledger.run()) for _ in range(WORKERS)]
        wait_for_requests(ledger, dies_at, workers[0])
        workers[0].kill()
        died_at = time.monotonic()
        dead = run_id_of(workers[0].communicate()[1])
        held = {
            task_id
            for (task_id,) in ledger.night.rows(
                f"SELECT task_id FROM pending_task WHERE lease_owner = '{dead}'", "source"
            )
        }
        ends = [ended(worker) for worker in workers[1:]]

        assert {code for code, _ in ends} <= {0, 65}, ends
        stats = ledger.night.api.stats
        finished = {task_id for task_id, (status, _) in ledger.truth.items() if status in FINISHED}
        assert {task_id for task_id in finished if stats.asks[task_id] > 1} <= held
        assert len(held) <= 2 * ledger.night.rows("SELECT MAX(max_rate) FROM audit_run")[0][0] * 5 + 200
        audited = ledger.night.rows("SELECT audited FROM audit_run WHERE finished_at IS NOT NULL")
        assert min(number for (number,) in audited) > 0.5 * tasks / (WORKERS + 1)
        # The others take the killed worker's part of the rate at once.
        begin = died_at + LEASE_SECONDS / 2
        regained = rate_between(stats.arrivals, begin, begin + 3)
        peak = peak_per_second(stats.arrivals)
        ledger.deaths += 1
        ledger.finish()
        return peak, regained


def test_four_workers_of_which_one_dies_share_queue_and_rate(ledger_of, postgres_url):
    peak, regained = four_workers_of_which_one_dies(
        ledger_of, SecretStr(postgres_url), tasks=3_000, max_rate=250, dies_at=700
    )

    assert regained >= 0.8 * 250
    # Evenly sent requests arrive in bunches on a busy machine; the soak, which runs alone, allows 5 %.
    assert peak <= 250 * 1.2


def test_a_frozen_worker_leaves_its_share_to_the_other_and_sends_nothing_on_it_when_it_wakes(ledger_of, postgres_url):
    url, max_rate, frozen_seconds = SecretStr(postgres_url), 90, 4
    with ledger_of((url, url), tasks=800, api__max_rate=max_rate, run__batch_size=200) as ledger:
        with ledger.run() as sleeper, ledger.run() as other:
            wait_for_owners(ledger, 2)
            wait_for_requests(ledger, 200, sleeper)
            frozen_at = freeze_outside_transactions(ledger, sleeper)
            time.sleep(frozen_seconds)  # the other process is at work, on its own clock
            sleeper.send_signal(signal.SIGCONT)
            woken_at = time.monotonic()
            ends = [ended(sleeper), ended(other)]
        arrivals = ledger.night.api.stats.arrivals
        assert {code for code, _ in ends} <= {0, 65}, ends
        # The other has more than its half when the shares of the frozen one have ended, also on a busy machine.
        assert rate_between(arrivals, frozen_at + 2, woken_at) >= 0.55 * max_rate
        assert peak_per_second(arrivals) <= max_rate * 1.2
        ledger.finish()


@pytest.mark.soak
def test_twenty_thousand_tasks(ledger_of, postgres_url, capfd):
    peak, regained = four_workers_of_which_one_dies(
        ledger_of, SecretStr(postgres_url), tasks=20_000, max_rate=400, dies_at=6_000
    )

    with capfd.disabled():
        print(f"\n4 workers, 20,000 tasks, 400 a second allowed: {peak} at most, {regained:.0f} after a death")
    assert regained >= 0.9 * 400
    assert peak <= 400 * 1.05
