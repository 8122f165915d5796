"""The names in SQL for PostgreSQL: the search path of the job, and functions with the name of their schema.

PostgreSQL looks for functions and operators in every schema of the search path, and takes the one whose arguments fit
best. A user who may create a function in one of these schemas could therefore run code as the job. The job names
``pg_catalog`` before each function, and its path has no schema that PUBLIC may create objects in.
"""

import re
from dataclasses import dataclass
from typing import Any

from etl.error_codes import Code
from etl.errors import ConfigurationError

KEYWORDS = frozenset(
    "AND ANY ARRAY AS BETWEEN BY CASE CAST CHECK COALESCE DECIMAL DISTINCT ELSE EXCEPT EXISTS EXTRACT FILTER FROM "  # noqa: SIM905
    "GREATEST IN INTERSECT JOIN LEAST LIKE NOT NULLIF NUMERIC ON OR OVER SELECT THEN UNION USING VALUES VARCHAR WHEN "
    "WHERE".split()
)
"""The words that SQL may have before a parenthesis, and that are no functions."""

CALL = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|--[^\n]*|(?<![\w.])([A-Za-z_]\w*)(?=\s*\()")
"""A text, a quoted name, a comment, or, as the group, a word before a parenthesis."""

SCHEMAS = """
BEGIN READ ONLY;
SET LOCAL role TO DEFAULT;
SET LOCAL search_path TO DEFAULT;
SELECT s.nspname, pg_catalog.has_schema_privilege('public', s.oid, 'CREATE')
FROM pg_catalog.unnest(pg_catalog.current_schemas(false)) WITH ORDINALITY AS path (name, place)
JOIN pg_catalog.pg_namespace AS s ON s.nspname OPERATOR(pg_catalog.=) path.name
WHERE pg_catalog.starts_with(s.nspname::text, 'pg_'::text) IS FALSE
ORDER BY path.place;
COMMIT;
"""
"""Lists the schemas of a role's own path, and whether PUBLIC may create objects in them."""


IS_OPEN = """
SELECT pg_catalog.has_schema_privilege('public', oid, 'CREATE')
FROM pg_catalog.pg_namespace
WHERE nspname OPERATOR(pg_catalog.=) %s::name
"""
"""Asks whether PUBLIC may create objects in a schema."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchPath:
    """The search path of a session."""

    schemas: tuple[str, ...]
    """The schemas in which tables are found, the first one first."""
    left_out: tuple[str, ...] = ()
    """The schemas of the role's own path in which PUBLIC may create objects."""

    @property
    def sql(self) -> str:
        """The path as SET takes it. ``pg_catalog`` comes first as long as no path names it."""
        return ", ".join([*map(quoted, self.schemas), "pg_temp"])


def search_path_of(driver: Any, *, schema: str | None, finds_tables: bool, database: str) -> SearchPath:
    """Read the role's own search path, and leave out what PUBLIC may write to.

    Args:
        driver: the driver's connection, outside of a transaction.
        schema: the schema that is searched first; it need not exist yet.
        finds_tables: whether the path must lead to tables that are named without a schema.
        database: the address of the database, for the message.

    Raises:
        ConfigurationError: PUBLIC may create objects in the schema that holds the tables.
    """
    found = _rows_of(driver.execute(SCHEMAS))
    own = [name for name, is_open in found if not is_open and name != schema]
    left_out = tuple(name for name, is_open in found if is_open and name != schema)
    if schema and _is_open(driver, schema):
        raise _open_to_public(schema, database)
    if finds_tables and left_out and not own and not schema:
        raise _open_to_public(left_out[0], database)
    return SearchPath(schemas=(*([schema] if schema else []), *own), left_out=left_out)


def _rows_of(cursor: Any) -> list[tuple[str, bool]]:
    """Return the rows of the one statement of a script that has some."""
    while cursor.description is None and cursor.nextset():
        pass
    return list(cursor.fetchall())


def _is_open(driver: Any, schema: str) -> bool:
    row = driver.execute(IS_OPEN, [schema]).fetchone()
    return bool(row and row[0])


def _open_to_public(schema: str, database: str) -> ConfigurationError:
    return ConfigurationError(
        f"In {database}, PUBLIC may create objects in the schema {schema}, and could change what the job does.",
        code=Code.SCHEMA_OPEN,
        remedy=f"Run as its owner: REVOKE CREATE ON SCHEMA {quoted(schema)} FROM PUBLIC.",
    )


def quoted(name: str) -> str:
    """Quote a name."""
    return '"{}"'.format(name.replace('"', '""'))


def qualify_calls(sql: str) -> str:
    """Name ``pg_catalog`` before each function that is called without a schema."""

    def qualified(found: re.Match[str]) -> str:
        name = found[1]
        return found[0] if name is None or name.upper() in KEYWORDS else f"pg_catalog.{name}"

    return CALL.sub(qualified, sql)
