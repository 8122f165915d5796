"""Text that came from outside and passed no schema, such as an error's wording, made fit for every engine alike."""

from sqlalchemy import Dialect

from etl.database.types import KeyText


class ForeignText(KeyText):
    """Text cut to a length, without the characters that an engine cannot store.

    An error must never be what keeps the batch that reports it from being written.
    """

    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - alike for all
        """Make a value fit, on the way in and where it is looked for."""
        return None if value is None else storable_text(value, self.characters)


def storable_text(text: str, limit: int) -> str:
    """Cut a text, and replace NUL, which PostgreSQL cannot store, and halves of characters, which nobody can."""
    return text[:limit].encode(errors="replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
