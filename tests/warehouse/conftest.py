"""A warehouse on every engine, and runs that load into it at the test's times."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from etl.database.connections import open_engine
from etl.normalize import normalize
from etl.runs import AuditRun
from etl.tasks import FetchFailure, Observation, PendingTask
from etl.tasks.detail import TaskDetail
from etl.tasks.failure_reasons import FailureReason
from etl.warehouse.load.batch import Batch
from etl.warehouse.load.loader import Warehouse
from etl.warehouse.schema import upgrade_warehouse
from etl.warehouse.tables import METADATA, dim_day
from tests.places import WAREHOUSES

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
TASK_ID = "1534087020903704704"


class Audit:
    """Runs of the job on one warehouse, without the components before it."""

    noon = NOON
    task_id = TASK_ID

    def __init__(self, warehouse):
        self.warehouse = warehouse
        self.engine = warehouse.engine

    @staticmethod
    def at(minute):
        """Return noon and so many minutes."""
        return NOON + timedelta(minutes=minute)

    def seen(self, status, minute=0, *, task_id=TASK_ID, submitted_at=None, **detail):
        """Return KooDrive's answer about a task, some minutes after noon."""
        return Observation(
            task=PendingTask(task_id=task_id, submitted_at=submitted_at),
            detail=TaskDetail(task_id=task_id, status=status, **detail),
            observed_at=self.at(minute),
        )

    def failed(self, minute=0, *, task_id=TASK_ID, reason=FailureReason.NOT_FOUND, attempts=1, **words):
        """Return a permanent failure, some minutes after noon."""
        task = PendingTask(task_id=task_id, attempts=attempts)
        return FetchFailure(task=task, reason=reason, failed_at=self.at(minute), **{"detail": "HTTP 404", **words})

    def begin(self, run_id, *, claimed=0, minute=0):
        """Write the row of a run that starts some minutes after noon."""
        started_at = self.at(minute)
        run = AuditRun(run_id=run_id, started_at=started_at, claimed=claimed, max_rate=50, version="1", host="host")
        self.warehouse.start(run)
        return run

    def load(self, *outcomes, run="run-1", released=0, within=None, now=None):
        """Load one batch in a run of its own, or in one that has begun, and return the run's counters.

        ``now`` is the minute after noon that the clock of the run shows; without it, the outcomes are archived ones.
        """
        observations = [outcome for outcome in outcomes if isinstance(outcome, Observation)]
        batch = Batch(
            facts=normalize(observations),
            audited=len(observations),
            dead_letters=[outcome for outcome in outcomes if isinstance(outcome, FetchFailure)],
            released=released,
            now=None if now is None else self.at(now),
        )
        if isinstance(run, str):
            run = self.begin(run, claimed=len(outcomes) + released)
        return self.warehouse.load(batch, run, within=within)

    def rows(self, name):
        """Return all rows of a table, sorted by its key."""
        table = METADATA.tables[name]
        with self.engine.connect() as connection:
            return [
                dict(row) for row in connection.execute(select(table).order_by(*table.primary_key.columns)).mappings()
            ]

    def row(self, name):
        """Return the only row of a table."""
        (row,) = self.rows(name)
        return row

    def tables(self, *, without=()):
        """Return all rows of all tables but the calendar, which no load writes."""
        return {name: self.rows(name) for name in METADATA.tables if name not in {*without, dim_day.name}}


@pytest.fixture
def engine(warehouse_url):
    """An engine on an empty database."""
    engine = open_engine(warehouse_url, name="the warehouse", create=True)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session", params=WAREHOUSES)
def lasting_warehouse(request, tmp_path_factory):
    """One warehouse per engine, with the dimension rows of its migration, since migrating is slower than emptying."""
    url = f"{request.param}:///{tmp_path_factory.mktemp('warehouse')}/warehouse.{request.param}"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_server").get_uri()
    if request.param == "mysql":
        url = request.getfixturevalue("lasting_mysql")("warehouse")
    engine = open_engine(SecretStr(url), name="the warehouse", create=True)
    upgrade_warehouse(engine)
    audit = Audit(Warehouse(engine))
    yield audit, audit.tables()
    engine.dispose()


@pytest.fixture
def audit(lasting_warehouse):
    """Runs on a warehouse without facts."""
    audit, born_with = lasting_warehouse
    with audit.engine.begin() as connection:
        for table in METADATA.sorted_tables:
            if table is not dim_day:
                connection.execute(table.delete())
    with audit.engine.begin() as connection:
        for name, rows in born_with.items():
            if rows:
                connection.execute(METADATA.tables[name].insert(), rows)
    return audit


@pytest.fixture
def audit_on():
    """Set up a warehouse on an engine: ``audit_on(engine, schema="audit")``."""

    def set_up(engine, *, schema=None, upgrade=True):
        if upgrade:
            upgrade_warehouse(engine, schema=schema)
        return Audit(Warehouse(engine, schema=schema))

    return set_up
