"""Whole runs: real databases, the stand-in over HTTP, and the commands of the command line."""

import json
import os
import subprocess
import sys

from pydantic import SecretStr

from etl.fake_api import Behaviour, Fault, Override
from etl.tasks import is_valid_task_id
from tests.nights import OPEN, TOKEN, task_ids


def test_a_night_and_the_night_after(night_of, databases):
    ids = task_ids(700)
    with night_of(None, *databases) as night:
        night.enqueue(*ids)

        first = night.run("run", "--json")

        row = json.loads(first.stdout)
        truth = night.truth(ids)
        open_ids = {task_id for task_id, (status, _) in truth.items() if status in OPEN}
        assert first.exit_code == 0
        assert night.facts() == truth
        assert night.api.stats.requests == row["requests"] == len(ids)
        assert (row["claimed"], row["audited"], row["changed"]) == (700, 700, 700)
        assert row["still_open"] == len(open_ids) > 0
        assert {task_id for task_id, state in night.states().items() if state == "pending"} == open_ids
        assert len(night.rows("SELECT * FROM fact_task_status_change")) == 700

        night.api.stats.reset()
        ended = min(open_ids)
        night.api.world.overrides[ended] = Override(status=3, result_code="18000999")
        second = json.loads(night.run("run", "--json").stdout)

        assert set(night.api.stats.asks) == open_ids
        assert (second["claimed"], second["changed"], second["unchanged"]) == (len(open_ids), 1, len(open_ids) - 1)
        assert night.states()[ended] == "done"
        history = f"SELECT previous_status, status, result_code FROM v_task_history WHERE task_id = '{ended}' AND "
        assert night.rows(history + "valid_until IS NULL") == [(truth[ended][0], 3, "18000999")]


def test_refetching_what_has_not_changed_rewrites_nothing(night_of, databases):
    ids = task_ids(300)
    with night_of(None, *databases) as night:
        night.enqueue(*ids)
        night.run("run")
        everything = "SELECT * FROM fact_task_status WHERE status IN (2, 3) ORDER BY task_id"
        before, history = night.rows(everything), night.rows("SELECT * FROM fact_task_status_change ORDER BY task_id")

        again = json.loads(night.run("run", "--refetch", "--json").stdout)

        assert (again["claimed"], again["changed"], again["unchanged"]) == (300, 0, 300)
        assert night.rows(everything) == before
        assert night.rows("SELECT * FROM fact_task_status_change ORDER BY task_id") == history


def test_ten_thousand_tasks_give_the_same_rows_on_every_engine(night_of, tmp_path, server_urls):
    ids = task_ids(10_000)
    query = (
        "SELECT task_id, task_name, task_type, tenant_id, user_id, status, result_code, response_code, "
        "response_message, submitted_at_source FROM fact_task_status ORDER BY task_id"
    )
    seen = []
    for number, warehouse in enumerate(
        (f"duckdb:///{tmp_path}/w.duckdb", f"sqlite:///{tmp_path}/w.sqlite", *server_urls)
    ):
        source = SecretStr(f"sqlite:///{tmp_path}/pending{number}.sqlite")
        with night_of(None, source, SecretStr(warehouse)) as night:
            night.enqueue(*ids)
            assert night.run("run").exit_code == 0
            seen.append(night.rows(query))

    assert len(seen[0]) == 10_000
    assert all(sorted(rows) == sorted(seen[0]) for rows in seen[1:])


def test_a_dry_run_asks_and_writes_nothing(night_of, databases):
    with night_of(None, *databases) as night:
        night.enqueue(*task_ids(50), "no-number")
        queue = night.rows("SELECT * FROM pending_task ORDER BY task_id", "source")

        result = night.run("run", "--dry-run", "--json")

        row = json.loads(result.stdout)
        assert result.exit_code == 65
        assert (row["claimed"], row["audited"], row["dead_lettered"], row["requests"]) == (51, 50, 1, 50)
        assert night.rows("SELECT * FROM pending_task ORDER BY task_id", "source") == queue
        for table in ("fact_task_status", "fact_task_status_change", "dead_letter", "audit_run"):
            assert night.rows(f"SELECT * FROM {table}") == []


def test_a_range_of_days_is_audited_and_nothing_beside_it(night_of):
    with night_of() as night:
        night.change(
            "INSERT INTO pending_task (task_id, submitted_at) VALUES ('1', '2026-10-31T23:59:59.999Z'), "
            "('2', '2026-11-01T00:00:00Z'), ('3', '2026-11-07 23:59:59'), ('4', '2026-11-08T00:00:00+00:00')"
        )

        result = night.run("run", "--since", "2026-11-01", "--until", "2026-11-07", "--json")

        assert set(night.facts()) == {"2", "3"}
        row = json.loads(result.stdout)
        assert (row["since"], row["until"]) == ("2026-11-01T00:00:00Z", "2026-11-08T00:00:00Z")


def test_a_limit_takes_the_oldest(night_of):
    ids = task_ids(20)
    with night_of() as night:
        night.enqueue(*reversed(ids))

        assert night.run("run", "--limit", "7").exit_code == 0

        assert set(night.facts()) == set(ids[:7])


def test_a_task_without_a_time_gets_the_one_in_its_id_and_names_that_source(night_of, two_places):
    with night_of(None, *two_places("sqlite+duckdb")) as night:
        night.change(
            "INSERT INTO pending_task (task_id, submitted_at) VALUES ('1534087020903704704', NULL), "
            "('1534087020903704705', '2026-11-01T08:00:00+08:00')"
        )

        night.run("run")

        query = (
            "SELECT CAST(submitted_at AT TIME ZONE 'UTC' AS TEXT), submitted_at_source FROM fact_task_status ORDER BY 1"
        )
        assert night.rows(query) == [("2024-10-17 07:17:03.871", "task_id"), ("2026-11-01 00:00:00", "queue")]


def test_a_lasting_failure_is_a_dead_letter_at_once(night_of):
    lost, odd = task_ids(2)
    faults = (
        Fault(name="not_found", task_ids=frozenset({lost})),
        Fault(name="invalid_json", task_ids=frozenset({odd})),
    )
    with night_of(Behaviour(token=TOKEN, faults=faults)) as night:
        night.enqueue(*task_ids(5), "=cmd()")

        result = night.run("run", "--json")

        assert result.exit_code == 65
        assert json.loads(result.stdout)["dead_lettered"] == 3
        letters = {task_id: rest for task_id, *rest in night.rows("SELECT task_id, reason, trace_id FROM dead_letter")}
        assert {task_id: reason for task_id, (reason, _) in letters.items()} == {
            lost: "not_found",
            odd: "bad_payload",
            "=cmd()": "invalid_id",
        }
        assert letters[lost][1] in night.api.stats.trace_ids
        assert night.api.stats.asks[odd] == 2
        assert {task_id for task_id, state in night.states().items() if state == "dead"} == set(letters)
        assert night.run("run").exit_code == 0


def test_a_dead_letter_that_is_audited_later_is_resolved(night_of):
    (lost,) = task_ids(1)
    with night_of(
        Behaviour(token=TOKEN, faults=(Fault(name="not_found", task_ids=frozenset({lost}), first_asks=1),))
    ) as night:
        night.enqueue(lost)
        assert night.run("run").exit_code == 65
        night.change("UPDATE pending_task SET state = 'pending', attempts = 0")

        assert night.run("run").exit_code == 0

        assert night.rows("SELECT reason FROM dead_letter WHERE resolved_at IS NOT NULL") == [("not_found",)]


def test_passing_failures_leave_tasks_pending_until_they_are_exhausted(night_of):
    good, bad = task_ids(2)
    behaviour = Behaviour(token=TOKEN, faults=(Fault(name="http_503", task_ids=frozenset({bad})),))
    # The good answer comes first, which shows that KooDrive answers about others.
    with night_of(behaviour, api__attempts=1, api__concurrency=1, run__dead_letter_after=2) as night:
        night.enqueue(good, bad)

        first = night.run("run", "--json")

        assert first.exit_code == 75
        assert json.loads(first.stdout)["released"] == 1
        assert json.loads(first.stdout)["error"].startswith("[tasks-unanswered] 1 tasks have no answer yet")
        query = f"SELECT state, attempts, last_error, lease_until FROM pending_task WHERE task_id = '{bad}'"
        state, attempts, error, lease_until = night.rows(query, "source")[0]
        assert (state, attempts, lease_until) == ("pending", 1, None)
        assert error.startswith("server_error")

        assert night.run("run").exit_code == 65
        assert night.rows("SELECT task_id, reason, attempts FROM dead_letter") == [(bad, "exhausted", 2)]


def test_retries_within_a_run_succeed_soon_or_at_its_end(night_of, monkeypatch):
    monkeypatch.setattr("etl.run.pipeline.DEFERRED_SECONDS", 0.2)
    behaviour = Behaviour(token=TOKEN, faults=(Fault(name="http_503", rate=0.2, first_asks=1),))
    with night_of(behaviour) as night:
        night.enqueue(*task_ids(100))

        row = json.loads(night.run("run", "--json").stdout)

        assert row["exit_code"] == 0
        assert row["retries"] > 0
        assert row["requests"] == 100 + row["retries"] == night.api.stats.requests


def test_tasks_of_the_users_own_table_are_audited_until_they_have_ended(night_of, configure, tmp_path):
    ids = task_ids(60)
    with night_of() as night:
        night.change("CREATE TABLE hand_over (id INTEGER, at TEXT, kind TEXT)")
        values = ", ".join(f"({task_id}, '2026-11-01', 'leaver')" for task_id in ids)
        night.change(f"INSERT INTO hand_over VALUES {values}, (1, '2026-11-01', 'other'), (NULL, NULL, 'leaver')")
        configure(
            source__mode="read_only",
            source__table="hand_over",
            source__task_id_column="id",
            source__submitted_at_column="at",
            source__where="kind = 'leaver'",
        )

        assert night.run("run").exit_code == 0

        assert night.facts() == night.truth(ids)
        night.api.stats.reset()
        assert night.run("run").exit_code == 0
        assert set(night.api.stats.asks) == {
            task_id for task_id, (status, _) in night.truth(ids).items() if status in OPEN
        }


def test_shards_take_each_task_once_and_an_equal_part_of_the_rate(night_of, configure, monkeypatch):
    ids = task_ids(300)
    with night_of() as night:
        night.change("CREATE TABLE hand_over (task_id TEXT)")
        night.change(f"INSERT INTO hand_over VALUES ({'), ('.join(ids)})")
        configure(source__mode="read_only", source__table="hand_over", api__max_rate=3_000)
        runs = [json.loads(night.run("run", "--json", "--shard", f"{index}/3").stdout) for index in (0, 1)]
        monkeypatch.setenv("JOB_COMPLETION_INDEX", "2")
        runs.append(json.loads(night.run("run", "--json", "--shard", "/3").stdout))

        assert [row["max_rate"] for row in runs] == [1_000] * 3
        assert all(60 < row["claimed"] < 140 for row in runs)
        assert set(night.api.stats.asks.values()) == {1}
        assert night.facts() == night.truth(ids)


def test_runs_on_the_jobs_own_queue_need_no_shards(night_of):
    with night_of() as night:
        refused = night.run("run", "--shard", "0/2")

        assert refused.exit_code == 2
        assert "read_only" in refused.stderr


def test_every_id_is_accounted_for_valid_or_not(night_of):
    hostile = [
        "..",
        ".",
        "%2e%2e",
        "a/b",
        "?x",
        "#",
        "=cmd()",
        "<script>",
        "'; DROP TABLE x",
        "\u202e123",
        "1" * 20,
        "0",
    ]
    with night_of() as night:
        night.enqueue(*hostile)

        night.run("run")

        dead = {task_id for (task_id,) in night.rows("SELECT task_id FROM dead_letter WHERE reason = 'invalid_id'")}
        assert dead == {each for each in hostile if not is_valid_task_id(each)}
        assert set(night.facts()) == {"0"}
        assert night.api.stats.requests == 1


def test_no_environment_of_the_machine_is_needed(tmp_path):
    bare = {"PATH": os.environ["PATH"]}
    command = [sys.executable, "-m", "etl", "run"]
    result = subprocess.run(command, cwd=tmp_path, env=bare, capture_output=True, text=True, check=False)

    assert result.returncode == 78
    assert "task-audit init" in result.stderr
    assert "Traceback" not in result.stderr
    assert list(tmp_path.iterdir()) == []
