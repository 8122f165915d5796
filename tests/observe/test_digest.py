"""The digest of a night: one message over all its runs, also when all went well and when no run began."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from etl.observe.chats import CHATS
from etl.observe.digest import NightNews, digest_of
from etl.times.night import Night, night_of
from etl.warehouse.read.letter_news import LetterNews
from etl.warehouse.read.open_tasks import StuckTask, StuckTasks
from etl.warehouse.read.period import FailedCode, Findings, Outcomes, ReasonCount, TenantFailures
from etl.warehouse.read.trend import EndedTasks, Trend
from tests.chat_services import SERVICES, shown
from tests.conftest import each_engine
from tests.nights import task_ids
from tests.observe.test_messages import RUN

NIGHT = Night(date(2026, 11, 3))


def news(*runs, nights=12, **found):
    nothing = {"days": [], "failures": [], "tenants": [], "letter_news": [], "reasons": [], "letters": []}
    outcomes = Outcomes(succeeded=3_640, failed=250, news_of_open=60, still_open=336)
    stuck = StuckTasks(tasks=0, oldest=[])
    findings = Findings(**nothing | {"outcomes": outcomes, "stuck": stuck, "runs": runs} | found)
    compared = [EndedTasks(night=NIGHT.before(number), ended=1_000, failed=40 + number) for number in range(nights + 1)]
    return NightNews(night=NIGHT, findings=findings, trend=Trend(NIGHT, compared[::-1]), pending=400)


def a_run(number, *, exit_code=0, outcome="succeeded", error=None):
    started_at = NIGHT.end - timedelta(hours=20 - number)
    ended = None if exit_code is None else started_at + timedelta(minutes=9)
    return replace(
        RUN,
        run_id=f"run-{number}",
        started_at=started_at,
        finished_at=ended,
        exit_code=exit_code,
        outcome=outcome,
        error=error,
        requests=2_000,
    )


def text_of(*runs, **found):
    return digest_of(news(*runs, **found), host="host").text


def test_a_good_night_is_told_in_full():
    assert text_of(a_run(1), a_run(2)).splitlines() == [
        "Night to 3 November 2026: all went well.",
        "Runs: 2 (2 succeeded), 4,000 requests.",
        "New or changed tasks: 3,950. 3,640 succeeded, 250 failed, 60 have not ended. Still open: 336.",
        "Failed of those that ended: 4.0 %; 4.4 % in the 7 nights before, 4.7 % in 12 of the 28 nights before.",
        "Pending now: 400.",
    ]


def test_a_bad_night_names_codes_tenants_dead_letters_and_stuck_tasks():
    stuck = StuckTask(task_id="1", tenant_id=None, status_name="NEW", submitted_at=NIGHT.start)
    text = text_of(
        a_run(1, exit_code=65, outcome="dead_letters"),
        a_run(2),
        nights=0,
        failures=[
            FailedCode(result_code="A", title="No\nspace", action=None, tasks=200),
            FailedCode(result_code=None, title=None, action=None, tasks=50),
        ],
        tenants=[TenantFailures(tenant_id="t" * 100, tenant_name=None, tasks=9, ended=10)],
        letter_news=[LetterNews(reason="not_found", new=0, again=3)],
        reasons=[ReasonCount(reason="not_found", tasks=6)],
        stuck=StuckTasks(tasks=12, oldest=[stuck]),
    )
    assert text.splitlines() == [
        "Night to 3 November 2026: 1 of 2 runs: dead letters (65).",
        "Runs: 2 (1 dead letters, 1 succeeded), 4,000 requests.",
        "New or changed tasks: 3,950. 3,640 succeeded, 250 failed, 60 have not ended. Still open: 336.",
        "Result codes of most failed tasks: A No space (200), no code (50).",
        f"Tenants with most failures: {'t' * 60} (9 of 10).",
        "Failed of those that ended: 4.0 %; there is no night before to compare with.",
        "Dead letters: 0 new, 3 that failed again (not_found 3). Open: 6.",
        "Open for more than 24 hours: 12, the oldest since 2026-11-02 18:00 UTC.",
        "Pending now: 400.",
    ]


@pytest.mark.parametrize(
    ("runs", "verdict", "exit_code"),
    [
        ([], "no run has begun.", 69),
        ([a_run(1, exit_code=None, outcome="running")], "not ended.", 0),
        ([a_run(1, exit_code=69, outcome="unavailable"), a_run(2)], "1 of 2 runs: unavailable (69).", 0),
        (
            [a_run(1, exit_code=75, outcome="stopped", error="[tasks-unanswered] 3 tasks have no answer yet.")],
            "some tasks still pending, no answer for now.",
            75,
        ),
    ],
)
def test_the_verdict_of_a_night(runs, verdict, exit_code):
    message = digest_of(news(*runs), host="host")
    assert message.lines[0] == f"Night to 3 November 2026: {verdict}"
    assert message.exit_code == exit_code


@pytest.mark.parametrize("chat", SERVICES)
def test_a_digest_of_the_longest_words_fits_every_chat(chat):
    code = FailedCode(result_code="码" * 500, title="题" * 500, action=None, tasks=1_000_000)
    tenants = [TenantFailures(tenant_id="1", tenant_name="租" * 500, tasks=1_000_000, ended=1_000_000)] * 20
    message = digest_of(news(a_run(1), failures=[code] * 20, tenants=tenants), host="host")
    body = json.dumps(CHATS[chat].body(message, None), ensure_ascii=False).encode()
    status, answer = SERVICES[chat]("/", body)
    assert CHATS[chat].refusal(status, answer) is None
    assert "Still open: 336." in shown(chat, body)[0]


@each_engine
def test_a_night_has_one_digest_whose_numbers_are_those_of_the_warehouse(notified_night, databases, webhook):
    with notified_night(*databases, notify__digest="true", notify__new_result_codes="false") as night:
        night.enqueue(*task_ids(60))
        assert night.run("run").exit_code == 0
        assert night.run("run").exit_code == 0
        assert night.run("digest").stdout == "0 sent.\n"
        printed = night.run("digest", "--print").stdout
        counts = dict(night.rows("SELECT status, COUNT(*) FROM fact_task_status GROUP BY status"))

    assert webhook.kinds == ["digest"]
    open_ = counts.get(0, 0) + counts.get(1, 0)
    for text in (webhook.texts[0], printed):
        assert "all went well." in text
        assert f"{counts[2]:,} succeeded, {counts[3]:,} failed, {open_:,} have not ended." in text
        assert f"Still open: {open_:,}." in text
        assert f"{open_:,}, the oldest since" in text
    assert "Runs: 1 (1 succeeded), " in webhook.texts[0]
    assert "Runs: 2 (2 succeeded), " in printed


def test_a_night_follows_the_time_zone_of_the_warehouse(notified_night):
    """In one of the two zones it is another day, whatever the time is."""
    for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago"):
        with notified_night(warehouse__time_zone=zone) as night:
            assert night.run("run").exit_code == 0
            text = night.run("digest", "--print").stdout
        assert text.startswith(f"{night_of(datetime.now(UTC), ZoneInfo(zone))}: all went well.")


def test_the_last_of_several_workers_sends_the_digest(notified_night, webhook):
    """The other worker is under way, as its row shows."""
    with notified_night(notify__digest="true") as night:
        assert night.run("run").exit_code == 0
        webhook.posts.clear()
        night.change("DELETE FROM notification", "warehouse")
        night.change("UPDATE audit_run SET finished_at = NULL, exit_code = NULL, outcome = 'running'", "warehouse")
        assert night.run("run").exit_code == 0
        assert webhook.posts == []
        night.change("UPDATE audit_run SET finished_at = started_at, exit_code = 0", "warehouse")
        assert night.run("run").exit_code == 0

    assert webhook.kinds == ["digest"]


@pytest.mark.parametrize("databases", ["one postgresql"], indirect=True)
def test_workers_that_end_together_leave_one_digest(notified_night, databases):
    with notified_night(*databases, notify__digest="true") as night:
        night.enqueue(*task_ids(20))
        workers = [night.start("run") for _ in range(2)]
        assert [worker.wait(timeout=120) for worker in workers] == [0, 0]
        digests = night.rows("SELECT run_id, text FROM notification WHERE kind = 'digest'")
        ((first,),) = night.rows("SELECT run_id FROM audit_run ORDER BY started_at LIMIT 1")

    ((run_id, text),) = digests
    assert run_id == first
    assert "all went well." in text


def test_a_run_of_a_part_and_a_run_that_failed_send_no_digest(notified_night, webhook, configure):
    with notified_night(notify__digest="true") as night:
        night.enqueue(*task_ids(2))
        assert night.run("run", "--limit", "1").exit_code == 0
        configure(api__token="Bearer wrong")
        assert night.run("run").exit_code == 77

    assert "digest" not in webhook.kinds


def test_a_night_without_a_run_has_a_digest_too(notified_night, webhook):
    with notified_night() as night:
        assert night.run("digest").stdout == "1 sent.\n"
        assert night.run("digest").stdout == "0 sent.\n"

    assert "no run has begun." in webhook.texts[0]


def test_a_digest_that_the_webhook_refused_is_sent_later_under_its_key(notified_night, webhook):
    webhook.status = 500
    with notified_night(notify__digest="true") as night:
        assert night.run("run").exit_code == 0
        assert night.run("digest").exit_code == 69
        webhook.status = 200
        assert night.run("notify").stdout == "1 sent.\n"

    assert len(set(webhook.keys)) == 1


def test_a_digest_needs_a_webhook_or_is_printed(night_of):
    with night_of() as night:
        refused, printed = night.run("digest"), night.run("digest", "--print")

    assert (refused.exit_code, printed.exit_code) == (78, 0)
    assert "or use --print" in refused.stderr
    assert "no run has begun." in printed.stdout
