"""The outbox: the table of messages about runs, which are written with the row of the run and never deleted.

A sender claims messages for some seconds in one statement, so that two senders never send the same one at once. If a
sender dies after sending and before marking a message, another sender sends it again under the same key.
"""

from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import datetime, timedelta
from uuid import uuid4

from sqlalchemy import ColumnElement, Connection, Engine, and_, func, not_, or_, select, update

from etl.database.clock import MAX_CLOCK_SKEW, Clock
from etl.database.engines import engine_of
from etl.observe.messages import Message, NewCode, RunNews
from etl.runs import AuditRun
from etl.warehouse.read.letter_news import letter_news
from etl.warehouse.read.news import Period
from etl.warehouse.tables import dim_result_code, fact_task_status, notification

LEASE = timedelta(seconds=60)
"""No sender takes longer than a minute, and the next run starts much later."""

row = notification.c


def put(connection: Connection, messages: Sequence[Message], *, now: datetime) -> None:
    """Write messages that are to be sent, except those that the outbox has already."""
    for message in messages:
        insert = engine_of(connection).insert_or_ignore(notification)
        connection.execute(insert.values(**asdict(message), created_at=now, attempts=0))


def news_of(connection: Connection, run: AuditRun) -> RunNews:
    """Read what the warehouse knows of a finished run that its row does not tell."""
    period = Period(start=run.started_at, end=run.finished_at or run.started_at, run_id=run.run_id)
    return RunNews(codes=_new_codes(connection, run), letters=letter_news(connection, period))


def _new_codes(connection: Connection, run: AuditRun) -> list[NewCode]:
    """List the result codes that a run found first, in descending order of their tasks."""
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
    """Count the messages that the webhook has not accepted yet."""
    query = select(func.count()).select_from(notification).where(row.sent_at.is_(None))
    with engine.execution_options(read_only=True).connect() as connection:
        return connection.execute(query).scalar_one()


class Outbox:
    """The unsent messages, as one sender sees them."""

    def __init__(self, engine: Engine, *, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._sender = str(uuid4())

    def put(self, messages: Sequence[Message]) -> None:
        """Write messages about a run that could not write its row."""
        with self._engine.begin() as connection:
            put(connection, messages, now=self._clock())

    def claim(self) -> list[Message]:
        """Claim all messages that no other sender has claimed, the oldest first."""
        now = self._clock()
        # A claim that would hold longer was written while a clock was ahead.
        has_ended = or_(row.claimed_until <= now, row.claimed_until > now + LEASE + MAX_CLOCK_SKEW)
        is_free = and_(row.sent_at.is_(None), or_(row.claimed_until.is_(None), has_ended))
        claimed = {"claimed_by": self._sender, "claimed_until": now + LEASE, "attempts": row.attempts + 1}
        columns = [row[field.name] for field in fields(Message)]
        with self._engine.begin() as connection:
            connection.execute(update(notification).where(is_free).values(**claimed))
            found = connection.execute(
                select(*columns).where(row.claimed_by == self._sender).order_by(row.created_at, row.run_id, row.kind)
            )
            return [Message(**message) for message in found.mappings()]

    def mark_sent(self, message: Message) -> None:
        """Record that the webhook accepted a message."""
        is_same = and_(row.run_id == message.run_id, row.kind == message.kind, row.claimed_by == self._sender)
        self._write(is_same, sent_at=self._clock(), claimed_by=None, claimed_until=None, last_error=None)

    def give_back(self, error: str) -> None:
        """Release the claimed messages that were not sent, and record the error."""
        self._write(row.claimed_by == self._sender, claimed_by=None, claimed_until=None, last_error=error)

    def _write(self, condition: ColumnElement[bool], **values: object) -> None:
        with self._engine.begin() as connection:
            connection.execute(update(notification).where(condition).values(**values))
