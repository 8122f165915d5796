"""Column types that mean the same in every engine."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, Dialect, Text, TypeDecorator
from sqlalchemy.dialects.mysql import DATETIME
from sqlalchemy.types import TypeEngine

from etl.database.mysql import MAX_INDEXED_CHARACTERS, key_type
from etl.errors import Code, ConfigurationError


class KeyText(TypeDecorator[str]):
    """Text of at most so many characters, which an engine may need to know before it makes an index."""

    impl = Text
    cache_ok = True

    def __init__(self, characters: int) -> None:
        """Make the type; PostgreSQL cannot index much more than 2,700 bytes, MySQL more than 3,072."""
        super().__init__()
        self.characters = characters

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose text of limited length for MySQL, unless no index could hold it, and text elsewhere."""
        is_limited = dialect.name == "mysql" and self.characters <= MAX_INDEXED_CHARACTERS
        return key_type(dialect, self.characters) if is_limited else Text()


class UtcDateTime(TypeDecorator[datetime]):
    """An instant, always aware and in UTC on the Python side; a naive value read from a table is UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose text for SQLite, a time without a zone for MySQL, timestamp with time zone elsewhere."""
        # MySQL's TIMESTAMP, which has a zone, ends in 2038.
        types: dict[str, TypeEngine[Any]] = {"sqlite": Text(), "mysql": DATETIME(fsp=6)}
        return dialect.type_descriptor(types.get(dialect.name, DateTime(timezone=True)))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | str | None:
        """Write an aware value; a naive one is a bug of the caller."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} is naive; times are aware and in UTC")
        instant = value.astimezone(UTC)
        match dialect.name:
            case "sqlite":
                return plain_text(instant)
            case "mysql":
                return instant.replace(tzinfo=None)
            case _:
                return instant

    def process_result_value(self, value: datetime | str | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Read what any program may have written: with or without a zone, with ``T`` or a blank."""
        if value is None:
            return None
        instant = _parse(value) if isinstance(value, str) else value
        return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


def plain_text(instant: datetime) -> str:
    """Write an instant without its zone: sortable as text, and understood by the functions of SQLite and MySQL."""
    return instant.replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")


def _parse(value: str) -> datetime:
    # SQLite's own functions take a blank before the zone, and a small z.
    written = value.strip().upper().replace(" +", "+").replace(" -", "-").replace(" Z", "Z")
    try:
        return datetime.fromisoformat(written)
    except ValueError:
        raise ConfigurationError(
            f"{value[:40]!r} in the database is not a time.",
            code=Code.DATABASE_TIME_WRONG,
            remedy="Write times as 2026-11-01T00:00:00Z.",
        ) from None
