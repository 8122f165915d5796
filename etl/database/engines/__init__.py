"""The database engines that this program supports, one value each; all that differs between them is in these files."""

import sqlalchemy as sa
from sqlalchemy import URL, Connection, Dialect

from etl.database.engines.base import Engine
from etl.database.engines.duckdb import DUCKDB
from etl.database.engines.mysql import MYSQL
from etl.database.engines.postgresql import POSTGRESQL
from etl.database.engines.sqlite import SQLITE

ENGINES = (DUCKDB, SQLITE, POSTGRESQL, MYSQL)
"""All engines, in the order in which messages and choices list them."""

_BY_NAME: dict[str, Engine] = {**{engine.name: engine for engine in ENGINES}, "default": POSTGRESQL}
"""The engines by name. SQLAlchemy's ``default`` dialect, which prints types and statements, gets the common form."""


def engine_named(name: str) -> Engine:
    """Return the engine whose SQLAlchemy dialect has a name.

    Raises:
        KeyError: the engine is not supported.
    """
    return _BY_NAME[name]


def engine_of(database: URL | Dialect | Connection | sa.Engine) -> Engine:
    """Return the engine of a database.

    Raises:
        KeyError: the engine is not supported.
    """
    match database:
        case URL():
            return _BY_NAME[database.get_backend_name()]
        case Dialect():
            return _BY_NAME[database.name]
        case _:
            return _BY_NAME[database.dialect.name]
