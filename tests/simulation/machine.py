"""Puts the clocks, the chance, the databases and the API of a simulated night in the place of the machine's own.

The program takes its clocks as arguments whose defaults are the machine's. The simulation replaces the defaults of all
functions at once, so that a clock that is added later is virtual, too.
"""

import importlib
import pkgutil
import random
import sys
import time
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from types import FunctionType
from unittest.mock import patch
from uuid import UUID

import structlog
from sqlalchemy import select

import etl
from etl.database import clock as database_clock
from etl.database.engines import engine_of
from etl.database.engines.postgresql import POSTGRESQL
from etl.database.engines.sqlite import SQLITE
from etl.fetch import pool
from etl.jobs import audit, gates, opening
from etl.koodrive import client
from etl.rate.table import rate_table
from etl.source.tables import pending_table
from tests.simulation.expressions import remembering
from tests.simulation.loop import PROCESS

OUTSIDE = ("etl.__main__", "etl.cli", "etl.observe.otlp", "etl.observe.lineage", "etl.report")
"""Modules that no run imports, or that need extras."""

NOW_SQL = {SQLITE: "simulated_now()", POSTGRESQL: "pg_catalog.current_setting('simulated.now')::timestamptz"}
"""The time of the night in the SQL of each engine. A transaction takes no virtual time."""


class Machine:
    """The machine of the night that is played now; the replaced functions read from it."""

    night = None

    @classmethod
    def seconds(cls):
        # The schemas are migrated before the first night.
        return cls.night.loop.time() if cls.night is not None else 0.0

    @classmethod
    def wall(cls):
        return cls.night.wall() if cls.night is not None else instant_at(0)

    @staticmethod
    def pass_crash_point(name, mark=""):
        """Note an attempt at a task: the pool passes this place before each, and before no probe."""
        if name == "asking":
            PROCESS.get().attempted.add(mark)

    @classmethod
    def run_id(cls):
        return cls.night.new_run_id()


def _clocks():
    """Find the functions whose arguments have a clock of the machine by default: each with the names of those."""
    real = {id(time.monotonic), id(database_clock.steady_seconds)}
    for module in _modules():
        for function in _functions(module):
            named = function.__kwdefaults__ or {}
            found = [name for name, value in named.items() if id(value) in real]
            if found:
                yield function, found


def _names_of_clocks():
    """Find the names by which modules call the machine's clocks, and what replaces each."""
    steady = time.monotonic, database_clock.steady_seconds
    replaced = {id(database_clock.system_clock): Machine.wall} | {id(each): Machine.seconds for each in steady}
    for module in _modules():
        for name, value in vars(module).items():
            if id(value) in replaced:
                yield module, name, replaced[id(value)]


def _modules():
    for found in pkgutil.walk_packages(etl.__path__, "etl."):
        if not found.name.startswith(OUTSIDE) and ".migrations." not in found.name:
            yield sys.modules.get(found.name) or importlib.import_module(found.name)


def _functions(module):
    for value in list(vars(module).values()):
        if getattr(value, "__module__", None) != module.__name__:
            continue
        if isinstance(value, FunctionType):
            yield value
        elif isinstance(value, type):
            yield from (each for each in vars(value).values() if isinstance(each, FunctionType))


@contextmanager
def installed():
    """Replace what the program takes from the machine, until the context ends."""
    before = structlog.get_config()
    with ExitStack() as stack:
        for function, names in _clocks():
            stack.enter_context(
                patch.object(
                    function, "__kwdefaults__", function.__kwdefaults__ | dict.fromkeys(names, Machine.seconds)
                )
            )
        for owner, name, value in [*_names_of_clocks(), *_replacements(), *remembering()]:
            stack.enter_context(patch.object(owner, name, value))
        for engine, sql in NOW_SQL.items():
            stack.callback(object.__setattr__, engine, "now_sql", engine.now_sql)
            object.__setattr__(engine, "now_sql", sql)
        stack.callback(lambda: structlog.configure(**before))
        structlog.configure(
            processors=[_note_log], wrapper_class=structlog.BoundLogger, cache_logger_on_first_use=False
        )
        yield


def _replacements():
    # Each new table object would make SQLAlchemy compile all statements again.
    table = lru_cache(pending_table)
    rate = lru_cache(rate_table)
    return [
        (audit, "clock_of", _clock_of),
        (audit, "pending_table", table),
        (gates, "pending_table", table),
        (gates, "rate_table", rate),
        (opening, "pending_table", table),
        (opening, "open_engine", _open_engine),
        (pool, "crash_point", Machine.pass_crash_point),
        (
            client,
            "open_session",
            lambda settings, *, base_url: Machine.night.api.open_session(settings, base_url=base_url),
        ),
        (random.SystemRandom, "random", lambda _self: Machine.night.chance.random()),
        (random.SystemRandom, "getrandbits", lambda _self, bits: Machine.night.chance.getrandbits(bits)),
        (sys.modules["etl.runs"], "uuid7", Machine.run_id),
    ]


def _open_engine(_url, *, name, **_options):
    return Machine.night.database_of("queue" if "pending" in name else "warehouse").engine


def _clock_of(engine):
    """Make the clock of a run: SQLite stands for a server or for a file, as the night has it."""
    if engine_of(engine).is_file and not Machine.night.scenario.server:
        return database_clock.FileClock()

    def read():
        with engine.connect() as connection:
            return connection.execute(select(database_clock.server_now(engine))).scalar_one()

    return database_clock.RunClock(read)


def _note_log(_logger, _method, event):
    if Machine.night is not None:
        Machine.night.note_log(event)
    raise structlog.DropEvent


def run_id_of(number):
    return str(UUID(int=(7 << 76) | (2 << 62) | number))


def text_of(instant):
    """Return an instant as SQLite keeps it."""
    return instant.strftime("%Y-%m-%d %H:%M:%S.%f")


def instant_at(seconds):
    return datetime.fromtimestamp(1_793_500_000 + seconds, UTC)
