"""The calendar in the zone of the warehouse: its rows, and what views and questions make of them on every engine."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from etl.jobs.night import last_night
from etl.jobs.parameters import read_parameters
from etl.times.night import night_of
from etl.warehouse.calendar import FIRST_DAY, LAST_DAY, days_in, follow_zone, zone_name, zone_of
from etl.warehouse.read.label_file import Label
from etl.warehouse.read.labels import import_labels
from etl.warehouse.read.news import Period
from etl.warehouse.read.period import find
from etl.warehouse.read.questions import ask, questions
from etl.warehouse.schema import upgrade_warehouse, warehouse_schema
from tests.reported_errors import reported_error

BERLIN = "Europe/Berlin"
ZONES = [
    "UTC",
    "Asia/Shanghai",
    BERLIN,
    # Half an hour of summer time, quarters of an hour, and both ends of the world.
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Pacific/Kiritimati",
    "Etc/GMT+12",
    # The clocks change at midnight.
    "America/Havana",
    "America/Sao_Paulo",
    "Asia/Beirut",
    "America/Nuuk",
]
HOUR = timedelta(hours=1)


@pytest.mark.parametrize("name", ZONES)
def test_each_instant_is_in_the_day_that_the_clocks_of_the_zone_show(name):
    zone, days = ZoneInfo(name), days_in(name)
    assert days["begins_at"][1:].to_list() == days["ends_at"][:-1].to_list()
    for day, begin, hours in days.select("day_on", "begins_at", "hours").iter_rows():
        assert begin.astimezone(zone).date() == day
        assert (begin - timedelta(microseconds=1)).astimezone(zone).date() == day - timedelta(days=1)
        assert 23 <= hours <= 25


def test_the_columns_of_a_day():
    days = {row["day_on"]: row for row in days_in(BERLIN).iter_rows(named=True)}
    assert (min(days), max(days)) == (FIRST_DAY, LAST_DAY)
    assert [days[date(2026, 3, 29)]["hours"], days[date(2026, 10, 25)]["hours"]] == [23, 25]
    assert days[date(2027, 1, 3)] == {
        "day_on": date(2027, 1, 3),
        "begins_at": datetime(2027, 1, 2, 23, tzinfo=UTC),
        "ends_at": datetime(2027, 1, 3, 23, tzinfo=UTC),
        "hours": 24.0,
        "weekday": 7,
        "weekday_name": "Sunday",
        "week_begins_on": date(2026, 12, 28),
        "iso_week": "2026-W53",
        "month": "2027-01",
        "time_zone": BERLIN,
    }


def outcomes(engine):
    """Ask for the tasks of each day of submission."""
    found = ask(engine, questions(engine.dialect.name)["daily_outcomes"], {})
    return {row[0]: row[1] for row in found.rows}


def test_views_follow_the_zone_over_days_of_23_and_25_hours(engine, audit_on):
    upgrade_warehouse(engine, time_zone=BERLIN)
    audit = audit_on(engine, upgrade=False)
    # An answer for each half-hour around both changes, and one long before the calendar.
    begins = [datetime(2026, 3, 28, 12, tzinfo=UTC), datetime(2026, 10, 24, 12, tzinfo=UTC)]
    instants = [begin + number * HOUR / 2 for begin in begins for number in range(120)]
    instants.append(datetime(2009, 12, 31, 23, 30, tzinfo=UTC))
    audit.load(*(audit.seen(2, task_id=str(n), submitted_at=each) for n, each in enumerate(instants)))
    expected = {}
    for each in instants[:-1]:
        day = each.astimezone(ZoneInfo(BERLIN)).date()
        expected[day] = expected.get(day, 0) + 1
    assert (expected[date(2026, 3, 29)], expected[date(2026, 10, 25)]) == (46, 50)
    assert outcomes(engine) == expected | {date(2009, 12, 31): 1}
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT submitted_on, COUNT(*) FROM v_task_status GROUP BY submitted_on")
        assert {date.fromisoformat(str(day)): tasks for day, tasks in rows} == outcomes(engine)

    follow_zone(engine, warehouse_schema(None).version, "Asia/Shanghai")
    assert zone_name(engine) == "Asia/Shanghai"
    assert outcomes(engine) != expected
    assert outcomes(engine)[date(2026, 3, 29)] == 48


def test_a_question_reads_days_in_the_zone(engine):
    upgrade_warehouse(engine, time_zone="Asia/Shanghai")
    question = questions(engine.dialect.name)["outcomes_of_every_day"]
    # In Shanghai it is already the 4th.
    now = datetime(2026, 11, 3, 17, tzinfo=UTC)
    values = read_parameters(question, {"since": "yesterday"}, now=now, last_night=night_of(now, zone_of(engine)))
    assert values == {
        "since": datetime(2026, 11, 2, 16, tzinfo=UTC),
        "until": datetime(2026, 11, 4, 16, tzinfo=UTC),
    }
    assert [row[0] for row in ask(engine, question, values).rows] == [date(2026, 11, 3), date(2026, 11, 4)]


def test_a_report_shows_days_in_the_zone_and_names_of_tenants(engine, audit_on):
    upgrade_warehouse(engine, time_zone="Asia/Shanghai")
    audit = audit_on(engine, upgrade=False)
    run = audit.begin("run-1")
    at = datetime(2026, 11, 1, 15, 30, tzinfo=UTC)
    answers = [audit.seen(3, task_id=str(n), tenant_id="ant", submitted_at=at + n * HOUR) for n in range(3)]
    audit.load(*answers, run=run)
    import_labels(engine, [Label(dimension="tenant", code="ant", title="Ant Ltd.", category="", action="")])
    night = night_of(run.started_at, zone_of(engine))
    # 18:00 in Shanghai is 10:00 UTC.
    assert (night.day, night.end) == (date(2026, 11, 3), datetime(2026, 11, 3, 10, tzinfo=UTC))
    found = find(engine, Period(start=night.start, end=night.end), now=run.started_at)
    assert [(day.day, day.failed) for day in found.days] == [("2026-11-01", 1), ("2026-11-02", 2)]
    assert [(row.tenant_name, row.tasks) for row in found.tenants] == [("Ant Ltd.", 3)]

    question = questions(engine.dialect.name)["last_nights_failures"]
    values = read_parameters(question, {}, now=run.started_at + 40 * HOUR, last_night=last_night(engine))
    assert (values["since"], values["until"]) == (night.start, night.end)
    assert [row[-2:] for row in ask(engine, question, values).rows] == [(3, 0)]


def test_a_run_follows_a_changed_setting(night_of, configure):
    with night_of() as night:
        night.enqueue("1534087020903704704")
        configure(warehouse__time_zone="Asia/Tokyo")
        ended = night.run("run")
        assert ended.exit_code == 0
        assert "calendar_filled" in ended.stderr
        assert "calendar_filled" not in night.run("run").stderr
        asked = night.run("query", "outcomes_of_every_day", "--param", "since=yesterday", "--format", "csv")
        today = datetime.now(ZoneInfo("Asia/Tokyo")).date()
        assert [line.split(",")[0] for line in asked.stdout.splitlines()[1:]] == [
            str(today - timedelta(days=1)),
            str(today),
        ]


def test_a_zone_that_the_reader_s_machine_does_not_know_is_an_error(night_of):
    with night_of() as night:
        night.change("UPDATE dim_day SET time_zone = 'Mars/Olympus'", "warehouse")
        refused = night.run("query", "daily_outcomes")
    assert refused.exit_code == 78
    assert "those of Mars/Olympus, and this machine does not know that time zone" in reported_error(refused)
