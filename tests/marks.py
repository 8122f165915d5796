"""Each test is marked by what it uses, so that ``make quick`` can leave out servers and whole processes.

The marks of engines come from the fixtures that a test asks for and from parameters that name places of databases.
"""

import re

import pytest

ENGINES = ("sqlite", "duckdb", "postgresql", "mysql")

SERVER_FIXTURES = {"postgres_server": "postgresql", "mysql_server_url": "mysql"}
"""The engine of each fixture that starts a server."""

MARKS_OF_FIXTURES = {
    **{fixture: {engine} for fixture, engine in SERVER_FIXTURES.items()},
    "server_urls": set(SERVER_FIXTURES.values()),
    "night_of": {"sqlite"},
    "browser": {"process"},
    "object_store": {"process"},
}

PLACES = re.compile(r"(?:one )?(\w+)(?:\+(\w+))?")
"""Where a test has its databases, such as ``sqlite+duckdb`` or ``one postgresql``."""


@pytest.hookimpl(tryfirst=True)  # Before pytest selects by marks.
def pytest_collection_modifyitems(items):
    for item in items:
        for mark in sorted(_marks_of(item)):
            item.add_marker(mark)


def _marks_of(item):
    marks = set().union(*(MARKS_OF_FIXTURES.get(name, ()) for name in item.fixturenames))
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
