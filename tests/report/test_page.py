"""The page of the report has every section, shows hostile text as text, loads nothing, and fits a phone."""

import re
import sys
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from etl.errors import ConfigurationError
from etl.receivers import for_html
from etl.report.page import Report, render
from etl.runs import AuditRun
from etl.times.night import Night
from etl.warehouse.read.dead_letters import DeadLetter
from etl.warehouse.read.news import Period
from etl.warehouse.read.open_tasks import StuckTask, StuckTasks
from etl.warehouse.read.period import (
    DayOutcomes,
    FailedCode,
    Findings,
    LetterNews,
    Outcomes,
    ReasonCount,
    TenantFailures,
)
from etl.warehouse.read.trend import EndedTasks, Trend
from tests.conftest import CHROMIUM, each_engine
from tests.nights import task_ids

TASK = "1534087020903704704"
NOON = datetime(2026, 11, 8, 2, tzinfo=UTC)
HOSTILE = [
    "<script>document.title='owned'</script>",
    "<img src=x onerror=\"document.title='owned'\">",
    '=HYPERLINK("http://x")',
    "\u202egnirts\u202c",
    "'\"></bdi></style><style>*{display:none}",
    "{{ 7 * 7 }}",
    "w" * 3_000,
]
SECTIONS = ["numbers", "days", "backlog", "durations", "rates", "failures", "tenants", "stuck", "letters"]
SECTIONS_OF_A_NIGHT = [*SECTIONS, "trend", "runs"]


def a_run(number, *, error=None):
    started = NOON - timedelta(days=20 - number)
    return AuditRun(
        run_id=f"019a{number:04d}-0000-7000-8000-000000000000",
        started_at=started,
        finished_at=started + timedelta(minutes=40 + 7 * (number % 5), seconds=12),
        outcome="dead_letters",
        exit_code=65,
        claimed=120_000 + 900 * number,
        audited=119_000,
        changed=90_000,
        unchanged=29_000,
        still_open=4_210,
        dead_lettered=31,
        released=0,
        requests=121_400 + 2_000 * (number % 7),
        retries=312,
        throttled=14,
        max_rate=50.0,
        error=error,
    )


def a_letter(text, number=0):
    return DeadLetter(
        task_id=text,
        reason="not_found",
        last_failed_at=NOON - timedelta(hours=number),
        attempts=1 + number % 3,
        detail=text,
        trace_id="019a00200000700080000000000000000000000000000000000000001a"[:58],
        http_status=404,
        error_code=None,
        first_failed_at=NOON - timedelta(days=1),
        resolved_at=None,
        run_id="run-1",
    )


DAYS = [
    DayOutcomes(
        day=f"2026-10-{20 + day:02d}" if day < 12 else f"2026-11-{day - 11:02d}",
        succeeded=5_800 + 310 * (day % 4),
        failed=120 + 45 * (day % 3),
        still_open=14 * day,
    )
    for day in range(19)
]
FAILURES = [
    FailedCode(result_code="18000205", title="Receiver has no space", action="Enlarge the space.", tasks=2_210),
    FailedCode(result_code=None, title=None, action=None, tasks=401),
    *(FailedCode(result_code=text, title=text, action=text, tasks=12) for text in HOSTILE),
]
NOTHING = Findings(
    outcomes=Outcomes(succeeded=0, failed=0, news_of_open=0, still_open=0),
    days=[],
    failures=[],
    tenants=[],
    runs=[],
    letter_news=[],
    reasons=[],
    letters=[],
    stuck=StuckTasks(tasks=0, oldest=[]),
)
NIGHT = Night(date(2026, 11, 8))
TREND = Trend(
    NIGHT,
    [
        EndedTasks(night=NIGHT.before(number), ended=3_900 - 20 * number, failed=160 + 7 * (number % 5))
        for number in range(12, -1, -1)
    ],
)


def a_report(**changes):
    run = a_run(20, error=HOSTILE[0])
    findings = Findings(
        outcomes=Outcomes(succeeded=3_640, failed=250, news_of_open=60, still_open=336),
        days=DAYS,
        failures=FAILURES,
        tenants=[
            TenantFailures(tenant_id=text, tenant_name=text if number % 2 else None, tasks=120 - number, ended=900)
            for number, text in enumerate([f"{7:032x}", None, *HOSTILE])
        ],
        runs=[a_run(number) for number in range(20)] + [run],
        letter_news=[LetterNews(reason="not_found", new=2, again=1), LetterNews(reason="exhausted", new=0, again=2)],
        reasons=[ReasonCount(reason="not_found", tasks=29), ReasonCount(reason="exhausted", tasks=2)],
        letters=[a_letter(text, number) for number, text in enumerate(HOSTILE)],
        stuck=StuckTasks(
            tasks=12,
            oldest=[StuckTask(task_id=TASK, tenant_id=None, status_name="EXECUTING", submitted_at=NOON)] * 10,
        ),
    )
    report = Report(
        period=Period(start=run.started_at, end=run.finished_at, run_id=run.run_id),
        run=run,
        findings=findings,
        backlog=[("under a day", 1_204), ("under a week", 3_918), ("older", 88)],
        made_at=NOON,
        version="1.0.0",
    )
    return replace(report, **changes)


def a_night(**changes):
    return a_report(run=None, night=NIGHT, period=Period(start=NIGHT.start, end=NIGHT.end), trend=TREND, **changes)


def test_the_page_loads_nothing_from_a_server():
    page = render(a_report())
    assert re.findall(r"<(?:script|link|iframe|object|embed|img)\b", page) == []
    assert re.findall(r"(?:src|href|url)\s*[=(]\s*[\"']?\s*https?:", page) == []
    assert len(page.encode()) < 150_000


def test_a_period_without_runs():
    period = Period(start=NIGHT.start, end=NIGHT.end)
    page = render(a_report(run=None, period=period, findings=NOTHING, backlog=None))
    assert all(f'id="{section}"' in page for section in [*SECTIONS, "runs"])
    assert "No task failed." in page
    page = render(replace(a_night(), findings=NOTHING, trend=Trend(NIGHT, [])))
    assert "No task ended in this night" in page


def test_a_night_says_how_many_nights_it_is_compared_with():
    page = render(a_night())
    assert "Night to 8 November 2026" in page
    assert "the 7 nights before" in page
    assert "12 of the 28 nights before" in page
    assert "2 new, 3 that failed again (not_found 3, exhausted 2)" in page
    alone = render(replace(a_night(), trend=Trend(NIGHT, TREND.nights[-1:])))
    assert "This night 4.1 %; there is no night before to compare with." in alone


def test_runs_side_by_side_took_no_longer_than_one():
    runs = [replace(a_run(20), run_id=f"worker-{number}") for number in range(3)]
    page = render(replace(a_night(), findings=replace(NOTHING, runs=runs)))
    assert "<dt>took</dt><dd>0:40:12</dd>" in page
    assert "dead letters &times; 3" in page


def test_a_run_that_has_not_ended_is_marked_as_bad():
    running = replace(a_run(20), finished_at=None, exit_code=None, outcome="running")
    assert '<span class="badge bad">running</span>' in render(a_report(run=running))


def test_a_missing_extra_is_named(monkeypatch):
    monkeypatch.delattr("etl.report.charts", raising=False)
    monkeypatch.delitem(sys.modules, "etl.report.charts", raising=False)
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    with pytest.raises(ConfigurationError, match=r"needs the extra `report`.*pip install"):
        render(a_report())


if CHROMIUM:

    def test_a_browser_shows_every_section_at_every_width_and_runs_no_text(browser, tmp_path):
        requested, errors = [], []
        file = tmp_path / "report.html"
        pages = {"run": render(a_report()), "night": render(a_night())}
        shown_as = [("run", 390, "light"), ("run", 1280, "dark"), ("night", 390, "dark"), ("night", 1280, "light")]
        for kind, width, scheme in shown_as:
            file.write_text(pages[kind], encoding="utf-8")
            page = browser.new_page(viewport={"width": width, "height": 844}, color_scheme=scheme)
            page.on("request", lambda request: requested.append(request.url))
            page.on("console", lambda message: errors.append(message.text))
            page.goto(f"file://{tmp_path}/report.html")
            page.screenshot(path=tmp_path / f"{kind}-{scheme}-{width}.png", full_page=True)

            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert page.title().startswith("task-audit: ")
            assert (requested, errors) == ([f"file://{tmp_path}/report.html"], [])
            for section in SECTIONS if kind == "run" else SECTIONS_OF_A_NIGHT:
                box = page.locator(f"#{section}").bounding_box()
                assert box["height"] > 40, section
                assert box["x"] + box["width"] <= width, section
            assert page.locator("figure svg").count() == (4 if kind == "run" else 5)
            shown = page.locator("body").inner_text()
            for text in HOSTILE[:-1]:
                assert for_html(text) in shown
            page.close()
            requested.clear()


@each_engine
def test_the_command_writes_the_page_on_every_engine(night_of, databases, tmp_path):
    source, warehouse = databases
    with night_of(source_url=source, warehouse_url=warehouse) as night:
        night.enqueue(*task_ids(60), "<script>")
        assert night.run("run").exit_code == 65
        failed = night.rows("SELECT COUNT(*) FROM fact_task_status WHERE status = 3")
        for period in ((), ("--since", "2019-01-01", "--until", "2100-01-01")):
            result = night.run("report", "--out", tmp_path / "report.html", *period)
            assert (result.exit_code, result.stdout) == (0, ""), result.stderr
            page = (tmp_path / "report.html").read_text(encoding="utf-8")
            assert page.count("<svg") >= 3
            assert "<script" not in page
            assert "<code>no task ID</code>" in page
            assert failed == [(0,)] or 'class="bar"' in page


def test_wrong_usage_is_refused_with_its_reason(night_of, tmp_path):
    with night_of() as night:
        for arguments, exit_code, message in [
            ((), 2, "There is no run yet."),
            (("--run", "no-such-run"), 2, "no run no-such-run"),
            (("--run", "a", "--since", "2026-11-01"), 2, "exclude each other"),
            (("--since", "2026-11-01", "--out", tmp_path / "no" / "report.html"), 2, "Cannot write"),
        ]:
            result = night.run("report", *arguments)
            assert result.exit_code == exit_code
            assert message in result.stderr
