"""Column types that mean the same in every engine."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, Dialect, Text, TypeDecorator
from sqlalchemy.types import TypeEngine

from etl.errors import ConfigurationError


class UtcDateTime(TypeDecorator[datetime]):
    """An instant, always aware and in UTC on the Python side; a naive value read from a table is UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose text for SQLite, timestamp with time zone elsewhere."""
        column_type: TypeEngine[Any] = Text() if dialect.name == "sqlite" else DateTime(timezone=True)
        return dialect.type_descriptor(column_type)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | str | None:
        """Write an aware value; a naive one is a bug of the caller."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} is naive; times are aware and in UTC")
        instant = value.astimezone(UTC)
        return sqlite_text(instant) if dialect.name == "sqlite" else instant

    def process_result_value(self, value: datetime | str | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Read what any program may have written: with or without a zone, with ``T`` or a blank."""
        if value is None:
            return None
        instant = _parse(value) if isinstance(value, str) else value
        return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


def sqlite_text(instant: datetime) -> str:
    """Write an instant for SQLite, which has no type for it: sortable as text, and understood by its functions."""
    return instant.replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")


def _parse(value: str) -> datetime:
    # SQLite's own functions take a blank before the zone, and a small z.
    written = value.strip().upper().replace(" +", "+").replace(" -", "-").replace(" Z", "Z")
    try:
        return datetime.fromisoformat(written)
    except ValueError:
        raise ConfigurationError(
            f"{value[:40]!r} in the database is not a time.", remedy="Write times as 2026-11-01T00:00:00Z."
        ) from None
