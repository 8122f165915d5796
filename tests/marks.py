"""Each test is marked by what it uses, so that ``make quick`` can leave out servers and whole programs.

The marks of engines come from the fixtures that a test asks for and from parameters that name places of databases.
"""

import re
from pathlib import Path

import pytest

ENGINES = ("sqlite", "duckdb", "postgresql", "mysql")

SERVER_FIXTURES = {"postgres_server": "postgresql", "mysql_server_url": "mysql"}
"""The engine of each fixture that starts a server."""

MARKS_OF_FIXTURES = {
    **{fixture: {engine} for fixture, engine in SERVER_FIXTURES.items()},
    "server_urls": set(SERVER_FIXTURES.values()),
    "night_of": {"sqlite", "slow"},
    "browser": {"slow"},
    "object_store": {"slow"},
    "slow_run": {"slow"},
}

SLOW = (
    "archive/test_hostile_files.py",
    "archive/test_replay.py",
    "archive/test_store.py",
    "assistant/test_server.py",
    "cli/test_commands.py",
    "cli/test_config_new.py",
    "cli/test_dead_letters.py",
    "cli/test_help.py",
    "cli/test_how_to.py",
    "cli/test_labels.py",
    "crash",
    "cron/test_kubernetes.py",
    "database/test_upgrades.py",
    "documents/test_commands.py",
    "documents/test_reference.py",
    "documents/test_site.py",
    "export",
    "fake_api/test_command.py",
    "fetch/test_foreign_pages.py",
    "fetch/test_hanging_tasks.py",
    "field",
    "jobs/test_audit.py",
    "jobs/test_collect.py",
    "jobs/test_early_ends.py",
    "koodrive/test_connection_errors.py",
    "monitoring/test_alerts.py",
    "observe/test_delivery.py",
    "observe/test_long_answers.py",
    "observe/test_trace.py",
    "rate/test_rate.py",
    "rate/test_share.py",
    "report/test_page.py",
    "secrecy",
    "settings/test_write.py",
    "simulation",
    "sql/test_engines_agree.py",
    "test_bad_nights.py",
    "test_exit_codes.py",
    "test_faults.py",
    "test_foreign_pages.py",
    "test_image.py",
    "test_targets.py",
    "test_wheel.py",
    "warehouse/load/test_any_order.py",
    "warehouse/load/test_wrong_clocks.py",
    "warehouse/test_schema.py",
)
"""Files and folders whose tests run whole programs, or take seconds each."""

PLACES = re.compile(r"(?:one )?(\w+)(?:\+(\w+))?")
"""Where a test has its databases, such as ``sqlite+duckdb`` or ``one postgresql``."""


@pytest.hookimpl(tryfirst=True)  # Before pytest selects by marks.
def pytest_collection_modifyitems(items):
    for item in items:
        for mark in sorted(_marks_of(item)):
            item.add_marker(mark)


def _marks_of(item):
    marks = set().union(*(MARKS_OF_FIXTURES.get(name, ()) for name in item.fixturenames))
    path = item.path.relative_to(Path(__file__).parent)
    if any(path.is_relative_to(slow) for slow in SLOW):
        marks |= {"slow"}
    if path.is_relative_to("field"):
        marks |= {"field"}
    parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
    for place in (PLACES.fullmatch(value) for value in parameters if isinstance(value, str)):
        marks |= set(place.groups() if place else ()) & set(ENGINES)
    return marks


@pytest.fixture(autouse=True)
def _a_started_server_is_marked(request):
    """Fail a test that starts a server without the mark of its engine: ``make quick`` would start it too."""
    yield
    for fixture, engine in SERVER_FIXTURES.items():
        is_marked = request.node.get_closest_marker(engine)
        assert is_marked or fixture not in request.fixturenames, f"mark this test with @pytest.mark.{engine}"
