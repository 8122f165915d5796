"""Tasks from KooDrive's list come into the pending table, each of them once, and every fault ends cleanly."""

import json
import shutil
import signal
import time
from contextlib import contextmanager
from datetime import datetime

import pytest
from pydantic import SecretStr

from etl.database.connections import open_engine
from etl.fake_api import Behaviour, Fault, StatusWeights, running_in_thread
from etl.fake_api.listing import a_minute_apart
from etl.source.schema import upgrade_queue
from etl.source.tables import pending_table
from etl.tasks import time_in_id
from tests.nights import TOKEN, Night

TASK_IDS = a_minute_apart(250)


@pytest.fixture(scope="module")
def empty_queue(tmp_path_factory):
    """A pending table in a file, to copy."""
    file = tmp_path_factory.mktemp("queue") / "pending.sqlite"
    make_queue(f"sqlite:///{file}")
    return file


def make_queue(url):
    engine = open_engine(SecretStr(url), name="queue", create=True)
    upgrade_queue(engine, pending_table("pending_task"))
    engine.dispose()


@pytest.fixture
def night_of_listing(task_audit, configure, tmp_path, empty_queue):
    """A stand-in with a list, and a pending table; no warehouse is needed."""

    @contextmanager
    def open_night(behaviour, source_url=None, **settings):
        if source_url is None:
            shutil.copy(empty_queue, tmp_path / "pending.sqlite")
            source_url = SecretStr(f"sqlite:///{tmp_path}/pending.sqlite")
        else:
            make_queue(source_url.get_secret_value())
        with running_in_thread(behaviour) as api:
            usual = {"api__user_id": "1", "api__token": TOKEN, "api__max_rate": 100_000}
            configure(source__url=source_url.get_secret_value(), api__base_url=api.base_url, **usual | settings)
            yield Night(api, task_audit, tmp_path, source_url, None)

    return open_night


def listing(*faults, task_ids=TASK_IDS, **behaviour):
    """A stand-in that lists tasks, with faults in its list only."""
    ordered = [
        Fault(name=name, task_ids=frozenset({"list"}), first_asks=int(asks) if asks else None)
        for name, _, asks in (fault.partition(" ") for fault in faults)
    ]
    return Behaviour(**{"token": TOKEN} | behaviour, task_ids=task_ids, faults=tuple(ordered))


def event(result):
    (found,) = [json.loads(line) for line in result.stderr.splitlines() if '"list_read"' in line]
    return found


def queued(night):
    return dict(night.rows("SELECT task_id, submitted_at FROM pending_task", "source"))


def test_every_listed_task_is_added_once(night_of_listing, queue_url):
    with night_of_listing(listing(), source_url=queue_url) as night:
        night.enqueue(TASK_IDS[7])
        first, second = night.run("enqueue", "--from-api"), night.run("enqueue", "--from-api")
        assert (first.exit_code, first.stdout) == (0, "249 new, 1 already there.\n")
        assert (second.exit_code, second.stdout) == (0, "0 new, 250 already there.\n")
        assert set(queued(night)) == {*TASK_IDS}
        assert event(first) | {"pages": 3, "listed": 250, "repeated": 0, "new": 249, "is_complete": True} == event(
            first
        )


def test_a_new_task_gets_the_time_of_the_list_in_utc_and_a_known_task_keeps_its_own(night_of_listing):
    with night_of_listing(listing(task_ids=TASK_IDS[:2])) as night:
        night.enqueue(TASK_IDS[0])
        night.run("enqueue", "--from-api")
        times = queued(night)
        assert times[TASK_IDS[0]] is None
        listed_at = time_in_id(TASK_IDS[1]).replace(microsecond=0, tzinfo=None)
        assert datetime.fromisoformat(times[TASK_IDS[1]]) == listed_at


def test_collected_tasks_can_be_audited(night_of):
    with night_of(listing(task_ids=TASK_IDS[:20], weights=StatusWeights(executing=0, new=0))) as night:
        night.run("enqueue", "--from-api")
        assert night.run("run").exit_code == 0
        assert night.facts() == night.truth(TASK_IDS[:20])


QUIRKS = ["list_documented_key", "list_text_cursor", "list_null_cursor", "list_empty_cursor", "list_number_ids"]


@pytest.mark.parametrize("quirk", [*QUIRKS, "list_repeated_task", "list_times"])
def test_every_task_is_added_in_each_form_of_the_list(night_of_listing, quirk):
    with night_of_listing(listing(quirk)) as night:
        result = night.run("enqueue", "--from-api")
        assert (result.exit_code, result.stdout) == (0, "250 new, 0 already there.\n")
        assert event(result)["repeated"] == (2 if quirk == "list_repeated_task" else 0)
        assert set(queued(night)) == {*TASK_IDS}
        assert (None in queued(night).values()) == (quirk == "list_times")


def test_tasks_are_selected_by_status(night_of_listing):
    with night_of_listing(listing()) as night:
        wanted = {task_id for task_id in TASK_IDS if night.api.world.task(task_id).status in {1, 3}}
        result = night.run("enqueue", "--from-api", "--status", "failed", "--status", "EXECUTING")
        assert result.stdout == f"{len(wanted)} new, 0 already there.\n"
        assert set(queued(night)) == wanted
        # The API documents no request for several statuses, so each is asked for alone. Pages are short or empty.
        assert night.api.stats.requests == 6


def test_tasks_are_selected_by_time(night_of_listing):
    with night_of_listing(listing()) as night:
        since = time_in_id(TASK_IDS[100]).replace(microsecond=0)
        until = time_in_id(TASK_IDS[150]).replace(microsecond=0)
        night.run("enqueue", "--from-api", "--since", since.isoformat(), "--until", until.isoformat())
        assert set(queued(night)) == {*TASK_IDS[100:150]}


def test_tasks_are_selected_by_the_time_in_the_id_if_the_list_has_none(night_of_listing):
    with night_of_listing(listing("list_times")) as night:
        night.run("enqueue", "--from-api", "--since", time_in_id(TASK_IDS[200]).isoformat())
        assert set(queued(night)) == {*TASK_IDS[200:]}


@pytest.mark.parametrize(("limit", "pages"), [(1, 1), (100, 1), (101, 2), (1000, 3)])
def test_no_more_tasks_than_the_limit_are_added(night_of_listing, limit, pages):
    with night_of_listing(listing()) as night:
        result = night.run("enqueue", "--from-api", "--limit", limit)
        assert result.exit_code == 0
        assert list(queued(night)) == list(TASK_IDS[:limit])
        assert night.api.stats.requests == pages


@pytest.mark.parametrize(
    ("faults", "exit_code", "complaint"),
    [
        (["list_missing"], 78, "there is no list of tasks"),
        (["list_hostile_ids"], 78, "a task has no ID"),
        (["nan_json"], 78, "bad_payload"),
        (["truncated_json"], 78, "bad_payload"),
        (["oversized"], 69, "the body is longer than"),
        (["not_found"], 78, "not_found"),
        (["redirect"], 69, "a redirect to http://169.254.169.254, was refused"),
        (["plain_text"], 69, "text/plain"),
        (["list_same_cursor"], 69, "leads back"),
        (["list_same_page"], 69, "goes in circles"),
        (["http_401"], 77, "refuses the credentials"),
        (["http_403"], 77, "not authorized"),
        (["http_403_plain"], 77, "HTTP 403: Forbidden"),
        (["http_405"], 69, "quota"),
    ],
)
def test_a_list_that_cannot_be_read_ends_with_its_code(night_of_listing, faults, exit_code, complaint):
    with night_of_listing(listing(*faults), api__attempts=1) as night:
        result = night.run("enqueue", "--from-api")
        assert result.exit_code == exit_code
        assert complaint in error_line(result.stderr)
        assert "Traceback" not in result.stderr
        assert TOKEN.split()[1] not in result.stdout + result.stderr
        # The tasks that were read before are added and reported.
        kept = len(queued(night))
        assert result.stdout == ("" if not kept else f"{kept} new, 0 already there.\n")
        assert bool(kept) == (complaint in {"leads back", "goes in circles"})
        assert event(result)["is_complete"] is False


def error_line(stderr):
    return "\n".join(line for line in stderr.splitlines() if line.startswith(("Error", "It says")))


def test_a_list_of_too_many_tasks_needs_a_limit_that_says_so(night_of_listing, monkeypatch):
    monkeypatch.setattr("etl.jobs.collect.MAX_TASKS", 120)
    with night_of_listing(listing()) as night:
        ended = night.run("enqueue", "--from-api")
        assert ended.exit_code == 69
        assert "The list has more than 120 tasks." in ended.stderr
        assert len(queued(night)) == 200
        assert night.run("enqueue", "--from-api", "--limit", "1000").exit_code == 0
        assert len(queued(night)) == 250


@pytest.mark.parametrize("fault", ["http_503", "cut_body", "nan_json", "truncated_json", "plain_text"])
def test_a_passing_fault_costs_one_more_request(night_of_listing, fault):
    with night_of_listing(listing(f"{fault} 1")) as night:
        result = night.run("enqueue", "--from-api")
        assert (result.exit_code, result.stdout) == (0, "250 new, 0 already there.\n")
        assert night.api.stats.requests == 4


def test_a_pause_that_the_api_demands_is_kept(night_of_listing):
    with night_of_listing(listing("throttled_retry_after 1")) as night:
        assert night.run("enqueue", "--from-api").exit_code == 0
        first, second, *_ = night.api.stats.arrivals
        assert second - first >= 1


def test_a_pause_beyond_patience_ends_with_75(night_of_listing):
    with night_of_listing(listing("throttled_retry_after"), api__patience_seconds=0) as night:
        assert night.run("enqueue", "--from-api").exit_code == 75


def test_a_token_that_expires_during_the_reading_is_renewed(night_of_listing):
    with night_of_listing(listing(token_uses=2, session_id="s"), api__session_id="s") as night:
        result = night.run("enqueue", "--from-api")
        assert (result.exit_code, result.stdout) == (0, "250 new, 0 already there.\n")
        assert night.api.stats.refreshes == 1
        assert event(result)["requests"] == 5


def test_a_clock_that_is_wrong_is_corrected(night_of_listing):
    app = {"app_id": "a378331e", "app_secret": "CANARY-s3cret"}
    behaviour = listing(clock_offset_seconds=-7200, token=None, **app)
    settings = {"api__auth": "app", "api__app_id": app["app_id"], "api__app_secret": app["app_secret"]}
    with night_of_listing(behaviour, **settings) as night:
        result = night.run("enqueue", "--from-api")
        assert (result.exit_code, result.stdout) == (0, "250 new, 0 already there.\n")
        assert "CANARY" not in result.stderr


def test_the_reading_keeps_to_the_rate_that_runs_share(night_of_listing):
    with night_of_listing(listing(task_ids=a_minute_apart(1_500)), api__max_rate=20) as night:
        assert night.run("enqueue", "--from-api").exit_code == 0
        assert night.rows("SELECT COUNT(*) FROM pending_task_rate WHERE holder IS NOT NULL", "source") == [(1,)]
        first, *_, last = night.api.stats.arrivals
        assert last - first >= 14 / 20 * 0.9


def test_a_table_of_the_users_own_is_never_added_to(night_of_listing, configure):
    with night_of_listing(listing()) as night:
        configure(source__mode="read_only")
        result = night.run("enqueue", "--from-api")
        assert result.exit_code == 78
        assert night.api.stats.requests == 0


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--from-api", "17"], "leave out other IDs"),
        (["--from-api", "--file", "-"], "leave out other IDs"),
        (["17", "--limit", "1"], "give --from-api"),
        (["--file", "-", "--status", "NEW"], "give --from-api"),
        (["--since", "2026-11-01"], "give --from-api"),
        (["--until", "2026-11-01"], "give --from-api"),
        (["--from-api", "--status", "DONE"], "--status"),
        (["--from-api", "--limit", "0"], "--limit"),
        (["--from-api", "--until", "2026-11-01", "--since", "2026-11-02"], "--since is after --until"),
    ],
)
def test_contradictory_options_are_refused(task_audit, arguments, complaint):
    result = task_audit("enqueue", *arguments)
    assert result.exit_code == 2
    assert complaint in result.stderr
    assert result.stdout == ""


def test_a_signal_ends_the_reading_cleanly_and_the_added_tasks_stay(night_of_listing):
    with night_of_listing(listing("stall"), api__timeout_seconds=60) as night:
        process = night.start("enqueue", "--from-api")
        while not night.api.stats.requests:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=20)
        assert process.returncode == 75
        assert stdout == ""
        assert error_line(stderr) == "Error [stopped-by-signal]: Stopped by SIGINT."
