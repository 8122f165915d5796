"""Compiles SQLAlchemy's statements for PostgreSQL, so that no function or operator of a user takes part in them."""

import re
from typing import Any

from sqlalchemy import String
from sqlalchemy.dialects.postgresql.psycopg import PGCompiler_psycopg
from sqlalchemy.sql.functions import Function
from sqlalchemy.types import TypeEngine

from etl.database.engines.postgresql_names import KEYWORDS


class QualifyingCompiler(PGCompiler_psycopg):
    """Compiles each function with its schema, and each text as TEXT, for which the operators exist."""

    def visit_function(self, func: Function[Any], *arguments: Any, **options: Any) -> str:
        """Name the schema of a function that has none."""
        sql = super().visit_function(func, *arguments, **options)
        called = re.match(r"\w+(?=\()", sql)
        return f"pg_catalog.{sql}" if called and called[0].upper() not in KEYWORDS else sql

    def render_bind_cast(self, type_: TypeEngine[Any], dbapi_type: TypeEngine[Any], sqltext: str) -> str:
        """Cast a text to TEXT: VARCHAR has no operators of its own, and another one could fit better."""
        if isinstance(dbapi_type, String):
            return f"{sqltext}::TEXT"
        return str(super().render_bind_cast(type_, dbapi_type, sqltext))  # type: ignore[no-untyped-call]
