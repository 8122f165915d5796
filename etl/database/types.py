"""Column types that mean the same in every engine."""

from datetime import UTC, datetime
from typing import Any

import structlog
from sqlalchemy import DateTime, Dialect, Text, TypeDecorator
from sqlalchemy.types import TypeEngine

from etl.database.engines import engine_of
from etl.error_codes import Code
from etl.errors import ConfigurationError
from etl.times import UnreadableTimeError, read_instant

MAX_QUOTED_CHARACTERS = 40
"""The longest form of a time has fewer."""

log: structlog.stdlib.BoundLogger = structlog.get_logger()


class KeyText(TypeDecorator[str]):
    """Text of a limited length, which some engines need to know before they make an index."""

    impl = Text
    cache_ok = True

    def __init__(self, characters: int) -> None:
        """Make the type; PostgreSQL cannot index much more than 2,700 bytes, MySQL more than 3,072."""
        super().__init__()
        self.characters = characters

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the engine's type of text in an index."""
        return engine_of(dialect).key_type(dialect, self.characters)


class UtcDateTime(TypeDecorator[datetime]):
    """An instant, always aware and in UTC on the Python side; a naive value in a table is taken as UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    @property
    def python_type(self) -> type[datetime]:
        """The type of the values in Python."""
        return datetime

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the engine's type of an instant."""
        return dialect.type_descriptor(engine_of(dialect).instant_type())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | str | None:
        """Write an aware value; a naive one is a bug of the caller."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} is naive; times are aware and in UTC")
        return engine_of(dialect).bind_instant(value.astimezone(UTC))

    def process_result_value(self, value: object, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Read what any program may have written; SQLite keeps any value in a column of times."""
        if value is None:
            return None
        if not isinstance(value, datetime):
            return _parse(str(value))
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class ReadableInstant(UtcDateTime):
    """An instant in a column that may hold anything; None if the value is no time."""

    cache_ok = True

    def process_result_value(self, value: object, dialect: Dialect) -> datetime | None:
        """Read a time, or return None."""
        try:
            return super().process_result_value(value, dialect)
        except (ConfigurationError, OverflowError):
            return None


def _parse(value: str) -> datetime:
    try:
        return read_instant(value)
    except UnreadableTimeError:
        # A wrong column may hold names, and the error is sent to others.
        log.warning("database_error", said=f"{value[:MAX_QUOTED_CHARACTERS]!r} is not a time.")
        raise ConfigurationError(
            f"A text of {len(value)} characters in the database is not a time.",
            code=Code.DATABASE_TIME_WRONG,
            remedy="Write times as 2026-11-01T00:00:00Z.",
        ) from None
