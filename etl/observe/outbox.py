"""The outbox: messages about runs, written with the row of the run and kept for good.

Whoever sends one claims it first, in one statement and for some seconds, so that two runs never send it at once. Who
dies between sending and marking it leaves it to be sent again, under the same key.
"""

from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import datetime, timedelta
from uuid import uuid4

from sqlalchemy import ColumnElement, Connection, Engine, and_, func, insert, not_, or_, select, update

from etl.database.clock import Clock
from etl.observe.messages import NewCode, Notice
from etl.runs import AuditRun
from etl.warehouse.tables import dim_result_code, fact_task_status, notification

LEASE = timedelta(seconds=60)
"""Longer than anybody sends, and shorter than the time between two nights."""

row = notification.c


def put(connection: Connection, notices: Sequence[Notice], *, now: datetime) -> None:
    """Write messages that are to be sent; one that is there already is left as it is."""
    for notice in notices:
        is_it = and_(row.run_id == notice.run_id, row.kind == notice.kind)
        if connection.execute(select(row.kind).where(is_it)).first() is None:
            connection.execute(insert(notification).values(**asdict(notice), created_at=now, attempts=0))


def new_codes(connection: Connection, run: AuditRun) -> list[NewCode]:
    """List the result codes that a run met first, those of most tasks before others."""
    code = dim_result_code.c
    tasks = func.count()
    query = (
        select(code.result_code, tasks)
        .select_from(dim_result_code.join(fact_task_status, fact_task_status.c.result_code == code.result_code))
        .where(code.first_seen_at >= run.started_at, not_(code.is_documented), fact_task_status.c.run_id == run.run_id)
        .group_by(code.result_code)
        .order_by(tasks.desc(), code.result_code)
    )
    return [NewCode(*found) for found in connection.execute(query)]


def count_unsent(engine: Engine) -> int:
    """Count the messages that nobody has taken yet."""
    query = select(func.count()).select_from(notification).where(row.sent_at.is_(None))
    with engine.execution_options(read_only=True).connect() as connection:
        return connection.execute(query).scalar_one()


class Outbox:
    """What is still to be sent, as one sender sees it."""

    def __init__(self, engine: Engine, *, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._sender = str(uuid4())

    def put(self, notices: Sequence[Notice]) -> None:
        """Write messages about a run that could not write its row."""
        with self._engine.begin() as connection:
            put(connection, notices, now=self._clock())

    def claim(self) -> list[Notice]:
        """Take all that nobody else is sending, the oldest first."""
        now = self._clock()
        is_free = and_(row.sent_at.is_(None), or_(row.claimed_until.is_(None), row.claimed_until <= now))
        claimed = {"claimed_by": self._sender, "claimed_until": now + LEASE, "attempts": row.attempts + 1}
        columns = [row[field.name] for field in fields(Notice)]
        with self._engine.begin() as connection:
            connection.execute(update(notification).where(is_free).values(**claimed))
            found = connection.execute(
                select(*columns).where(row.claimed_by == self._sender).order_by(row.created_at, row.run_id, row.kind)
            )
            return [Notice(**notice) for notice in found.mappings()]

    def mark_sent(self, notice: Notice) -> None:
        """Note that a message was taken."""
        is_it = and_(row.run_id == notice.run_id, row.kind == notice.kind, row.claimed_by == self._sender)
        self._write(is_it, sent_at=self._clock(), claimed_by=None, claimed_until=None, last_error=None)

    def give_back(self, error: str) -> None:
        """Leave what was claimed and not sent to the next sender, and note why."""
        self._write(row.claimed_by == self._sender, claimed_by=None, claimed_until=None, last_error=error)

    def _write(self, which: ColumnElement[bool], **values: object) -> None:
        with self._engine.begin() as connection:
            connection.execute(update(notification).where(which).values(**values))
