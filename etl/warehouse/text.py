"""Text from outside that no schema checks, such as an error message, in a form that every engine stores."""

from sqlalchemy import Dialect

from etl.database.types import KeyText


class ForeignText(KeyText):
    """Text cut to a length, without the characters that an engine cannot store.

    The message of an error must never prevent the loader from writing the batch that contains it.
    """

    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - alike for all
        """Convert a value that is written or compared."""
        return None if value is None else storable_text(value, self.characters)


def storable_text(text: str, limit: int) -> str:
    """Cut a text, and replace NUL, which PostgreSQL cannot store, and lone surrogates, which no engine can store."""
    return text[:limit].encode(errors="replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
