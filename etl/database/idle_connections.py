"""Tests a pooled connection that has idled before it is used again: servers, poolers and firewalls close idle ones."""

from time import monotonic
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry

MAX_IDLE_SECONDS = 1.0
"""A busy run uses its connections more often, and pays no round trip for a test."""

RETURNED_AT = "returned_at"


def check_after_idling(engine: Engine) -> None:
    """Replace a connection that was closed while it idled, instead of failing at its next statement."""

    def note_return(_connection: DBAPIConnection | None, record: ConnectionPoolEntry) -> None:
        record.info[RETURNED_AT] = monotonic()

    def check(connection: DBAPIConnection, record: ConnectionPoolEntry, _proxy: Any) -> None:
        if monotonic() - record.info.get(RETURNED_AT, monotonic()) < MAX_IDLE_SECONDS:
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            raise DisconnectionError from error

    event.listen(engine, "checkin", note_return)
    event.listen(engine, "checkout", check)
