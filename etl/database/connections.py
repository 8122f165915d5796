"""Opens databases: one engine of SQLAlchemy per URL, whose driver's errors become this program's."""

import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy import URL, create_engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import NoSuchModuleError

from etl.database.engines import engine_of
from etl.database.engines.base import Engine
from etl.database.url import file_of, parse_database_url, render_url
from etl.error_codes import Code
from etl.errors import ConfigurationError


def open_engine(
    url: SecretStr,
    *,
    name: str,
    schema: str | None = None,
    create: bool = False,
    read_only: bool = False,
    finds_tables: bool = True,
) -> sa.Engine:
    """Make an engine of SQLAlchemy; it connects when it is first used.

    Args:
        url: an SQLAlchemy URL of a supported engine.
        name: the name of the database in errors, for example "the warehouse".
        schema: the schema that is searched first for a table named without one.
        create: whether a database file may be created.
        read_only: whether the program will only read, so that it shares a DuckDB file with other readers.
        finds_tables: whether tables are named without a schema, so that the search path must lead to them.

    Raises:
        ConfigurationError: the driver is not installed, or the file does not exist and may not be created.
    """
    parsed = parse_database_url(url)
    if not create:
        _require_file(parsed, name)
    engine = _create_engine(parsed, read_only=read_only)
    kind = engine_of(parsed)
    translator = ErrorTranslator(kind, f"{name} ({render_url(parsed)})", file=parsed.database)
    event.listen(engine, "handle_error", translator)
    kind.set_up(engine, schema=schema, create=create, finds_tables=finds_tables)
    return engine


def same_database(one: SecretStr, other: SecretStr) -> bool:
    """Return whether two URLs lead to one database as one user, so that one transaction can span both."""
    return _identity(parse_database_url(one)) == _identity(parse_database_url(other))


class ErrorTranslator:
    """Listens to SQLAlchemy's ``handle_error`` event, and raises this program's error instead of the driver's."""

    def __init__(self, engine: Engine, database: str, *, file: str | None) -> None:
        self._engine = engine
        self._database = database
        self._file = file

    def __call__(self, context: ExceptionContext) -> None:
        """Translate the error, or leave it as it is."""
        executing = context.execution_context
        if executing is not None and executing.execution_options.get("skip_user_error_events"):
            # The dialect of MySQL asks whether a table is there, and expects the error as the answer.
            return
        original = context.original_exception
        translated = self._engine.translate(original, database=self._database, file=self._file)
        if translated is not None:
            raise translated from original


def _identity(url: URL) -> tuple[object, ...]:
    file = file_of(url)
    # The query may name the host, the port or the user, too.
    query = tuple(sorted(url.query.items()))
    return (url.get_backend_name(), url.username, url.host, url.port, file.resolve() if file else url.database, query)


def _require_file(url: URL, name: str) -> None:
    file = file_of(url)
    if file and not file.exists():
        raise ConfigurationError(
            f"{name[0].upper()}{name[1:]} {url.database} does not exist.",
            code=Code.DATABASE_MISSING,
            remedy="Create it with `task-audit init`, or fix the URL.",
        )


def _create_engine(url: URL, *, read_only: bool) -> sa.Engine:
    kind = engine_of(url)
    try:
        # Errors of SQLAlchemy would quote the values that a statement was called with.
        return create_engine(url, hide_parameters=True, **kind.connect_options(url, read_only=read_only))
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        raise ConfigurationError(
            f"The driver for {kind.name} is not installed ({error}).",
            code=Code.EXTRA_MISSING,
            remedy=f"Install it: pip install 'koodrive-task-audit[{kind.extra or kind.name}]'.",
        ) from None
