"""The messages about runs, as a real webhook receives them after good and bad nights."""

import json
import os
import signal
import socket
import time

import pytest

from tests.conftest import each_engine
from tests.nights import FIRST_ID, in_an_hour, task_ids
from tests.webhooks import SECRET_PATH

HANGING_SECONDS = 60


def outbox(night):
    return night.rows(
        "SELECT kind, attempts, sent_at IS NOT NULL, last_error FROM notification ORDER BY created_at, kind"
    )


@each_engine
def test_a_failed_run_sends_one_message(notified_night, databases, webhook, configure):
    with notified_night(*databases) as night:
        night.enqueue(str(FIRST_ID))
        configure(api__token="Bearer wrong")
        assert night.run("run").exit_code == 77
        assert night.run("notify").stdout == "0 sent.\n"
        ((run_id, is_sent),) = night.rows("SELECT run_id, sent_at IS NOT NULL FROM notification")

    ((path, headers, body),) = webhook.posts
    assert is_sent
    assert path == SECRET_PATH
    assert headers["Content-Type"] == "application/json"
    assert headers["Idempotency-Key"] == f"{run_id}:failed"
    text = json.loads(body)["text"]
    assert f"{run_id}:failed" in text
    assert "The run ended with 77 (credentials refused)" in text


def test_a_good_run_and_a_dry_run_send_nothing(notified_night, webhook):
    with notified_night() as night:
        assert night.run("run").exit_code == 0
        night.enqueue("not-an-id")
        assert night.run("run", "--dry-run").exit_code == 65

    assert webhook.posts == []


def test_without_a_webhook_the_outbox_stays_empty(night_of, configure):
    with night_of() as night:
        night.enqueue("not-an-id")
        assert night.run("run").exit_code == 65
        assert outbox(night) == []


@pytest.mark.parametrize(("above", "kinds"), [(0, ["dead_letters"]), (1, ["dead_letters"]), (2, [])])
def test_dead_letters_above_a_threshold_send_a_message(notified_night, webhook, above, kinds):
    with notified_night(notify__dead_letters_above=above) as night:
        night.enqueue("not-an-id", "nor-this")
        assert night.run("run").exit_code == 65

    assert webhook.kinds == kinds
    assert all("Dead letters: 2 new, 0 that failed again (invalid_id 2)." in text for text in webhook.texts)


def test_a_dead_letter_that_an_operator_retried_is_not_new_when_it_fails_again(notified_night, webhook):
    with notified_night() as night:
        night.enqueue("not-an-id")
        assert night.run("run").exit_code == 65
        assert night.run("dead-letters", "retry", "not-an-id").exit_code == 0
        night.change("INSERT INTO pending_task (task_id) VALUES ('nor-this')")
        assert night.run("run").exit_code == 65

    assert "Dead letters: 1 new, 1 that failed again (invalid_id 2)." in webhook.texts[1]


@each_engine
def test_a_run_that_audits_nothing_although_tasks_are_pending_sends_a_message(notified_night, databases, webhook):
    with notified_night(*databases) as night:
        night.enqueue(*task_ids(3))
        night.change(f"UPDATE pending_task SET next_check_at = '{in_an_hour()}'")
        assert night.run("run").exit_code == 0
        assert night.run("run", "--since", "2026-11-01").exit_code == 0

    assert webhook.kinds == ["nothing_audited"]
    assert "although tasks are pending: 3." in webhook.texts[0]


@each_engine
def test_new_result_codes_are_reported_once(notified_night, databases, webhook):
    with notified_night(*databases) as night:
        night.enqueue(*task_ids(40))
        assert night.run("run").exit_code == 0
        codes = {
            code for (code,) in night.rows("SELECT result_code FROM dim_result_code WHERE first_seen_at IS NOT NULL")
        }
        known = {code for code in codes if any(code in text for text in webhook.texts)}
        assert night.run("run", "--refetch").exit_code == 0

    assert webhook.kinds == ["new_result_codes"]
    assert known


@pytest.mark.parametrize("failure", ["answers 500", "hangs", "redirects"])
def test_the_next_run_sends_what_the_webhook_did_not_accept(notified_night, webhook, failure):
    webhook.status = {"answers 500": 500, "redirects": 302}.get(failure, 200)
    webhook.seconds = HANGING_SECONDS if failure == "hangs" else 0
    with notified_night() as night:
        night.enqueue("not-an-id")
        started_at = time.monotonic()
        result = night.run("run")
        took = time.monotonic() - started_at
        assert result.exit_code == 65
        assert "telemetry_failed" in result.stderr
        assert "notify.webhook_url" in result.stderr
        # The run does not wait for the response; a loaded machine takes a few seconds for the rest.
        assert took < HANGING_SECONDS / 2
        ((_, attempts, is_sent, error),) = outbox(night)
        assert (attempts, bool(is_sent)) == (1, False)
        assert "webhook" in error.lower()
        webhook.is_over.set()
        webhook.status, webhook.seconds = 200, 0
        assert night.run("run").exit_code == 0
        ((_, attempts, is_sent, error),) = outbox(night)

    assert (attempts, bool(is_sent), error) == (2, True, None)
    assert webhook.kinds == ["dead_letters"] * 2
    assert len(set(webhook.keys)) == 1


def test_notify_sends_later_what_an_unreachable_webhook_missed(notified_night, configure, webhook):
    with notified_night(notify__webhook_url="http://127.0.0.1:9/none") as night:
        night.enqueue("not-an-id")
        assert night.run("run").exit_code == 65
        refused = night.run("notify")
        assert "Not accepted by the webhook: 1 (`task-audit notify`)" in night.run("status").stdout
        configure(notify__webhook_url=webhook.url)
        sent = night.run("notify")
        assert json.loads(night.run("status", "--json").stdout)["unsent"] == 0

    assert (refused.exit_code, sent.exit_code, sent.stdout) == (69, 0, "1 sent.\n")
    assert "The webhook cannot be reached" in refused.stderr


def test_a_webhook_that_hangs_delays_a_run_by_two_seconds_at_most(night_of, configure, webhook):
    webhook.seconds = HANGING_SECONDS
    with night_of() as night:
        started_at = time.monotonic()
        assert night.run("run").exit_code == 0
        alone = time.monotonic() - started_at
        configure(notify__webhook_url=webhook.url)
        night.enqueue("not-an-id")
        started_at = time.monotonic()
        result = night.run("run")
        took = time.monotonic() - started_at
        webhook.is_over.set()

    assert result.exit_code == 65
    assert "telemetry_failed" in result.stderr
    assert took < alone + 3.5


@pytest.mark.parametrize("failure", ["refuses", "hangs"])
def test_a_run_whose_warehouse_is_down_sends_its_message_without_the_outbox(
    notified_night, configure, webhook, failure
):
    with socket.socket() as server, notified_night() as night:
        server.bind(("127.0.0.1", 0))
        if failure == "hangs":
            server.listen()
        port = server.getsockname()[1]
        configure(warehouse__url=f"postgresql://nobody@127.0.0.1:{port}/none?connect_timeout=2")
        assert night.run("run").exit_code == 69

    assert webhook.kinds == ["failed"]
    assert "69 (unavailable)" in webhook.texts[0]


def test_a_run_that_could_not_begin_leaves_its_message_in_the_outbox(notified_night, configure, webhook, tmp_path):
    webhook.status = 503
    with notified_night() as night:
        configure(source__url=f"sqlite:///{tmp_path}/none.sqlite")
        assert night.run("run").exit_code == 78
        webhook.status = 200
        assert night.run("notify").stdout == "1 sent.\n"
        assert [kind for kind, *_ in outbox(night)] == ["failed"]

    assert len(set(webhook.keys)) == 1


def test_a_message_whose_sender_died_is_sent_again_under_its_key(notified_night, webhook, configure):
    with notified_night() as night:
        night.enqueue("not-an-id")
        assert night.run("run").exit_code == 65
        before = webhook.keys
        forget = "UPDATE notification SET sent_at = NULL, claimed_by = 'dead', claimed_until = '2026-01-01 00:00:00+00'"
        night.change(forget, "warehouse")
        assert night.run("notify").stdout == "1 sent.\n"

    assert webhook.keys == before * 2


def killed_at(night, point):
    """Run the job in a process of its own, which kills itself at a crash point."""
    return night.start("run", environment=os.environ | {"TASK_AUDIT_CRASH_AT": point}).wait(timeout=60)


def test_the_next_run_sends_the_message_of_a_run_that_was_killed(notified_night, databases, webhook):
    with notified_night(*databases) as night:
        night.enqueue("not-an-id")
        assert killed_at(night, "finished") == -signal.SIGKILL
        assert webhook.posts == []
        assert night.run("run").exit_code == 0
        assert night.run("run").exit_code == 0

    assert webhook.kinds == ["dead_letters"]


@pytest.mark.parametrize("warehouse_url", ["sqlite"], indirect=True)
def test_a_message_in_the_outbox_is_sent_only_from_there(notified_night, warehouse_url, webhook):
    """The warehouse becomes unusable just after the run has ended: the next run sends the message, once."""
    with notified_night(None, warehouse_url) as night:
        night.enqueue("not-an-id")
        night.change(
            "CREATE TRIGGER upgraded AFTER UPDATE ON audit_run WHEN NEW.finished_at IS NOT NULL"
            " BEGIN UPDATE task_audit_version SET version_num = 'w9999'; END",
            "warehouse",
        )
        ((version,),) = night.rows("SELECT version_num FROM task_audit_version")
        assert night.run("run").exit_code == 65
        assert webhook.posts == []
        night.change("DROP TRIGGER upgraded", "warehouse")
        night.change(f"UPDATE task_audit_version SET version_num = '{version}'", "warehouse")
        assert night.run("run").exit_code == 0

    assert webhook.kinds == ["dead_letters"]


def test_no_output_contains_the_address_of_the_webhook(notified_night, webhook, tmp_path, configure):
    with notified_night() as night:
        night.enqueue("not-an-id")
        printed = [night.run("config", "show"), night.run("run", "-v")]
        for status in (500, 302):
            webhook.status = status
            printed += [night.run("notify", "--test"), night.run("run")]
        configure(notify__webhook_url="http://127.0.0.1:9/CANARY-7c41")
        printed += [night.run("notify", "--test")]
        rows = night.rows("SELECT * FROM notification")

    output = "".join(each.stdout + each.stderr for each in printed) + repr(rows)
    assert "CANARY-7c41" not in output
    for file in tmp_path.rglob("*"):
        assert not file.is_file() or b"CANARY-7c41" not in file.read_bytes(), file


def test_notify_test_sends_a_test_message(notified_night, webhook):
    with notified_night() as night:
        tried = night.run("notify", "--test")
        webhook.status = 404
        failed = night.run("notify", "--test")
        assert outbox(night) == []

    assert (tried.exit_code, failed.exit_code) == (0, 69)
    assert "The webhook answers 404." in failed.stderr
    assert webhook.kinds == ["test", "test"]
