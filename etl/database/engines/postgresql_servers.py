"""Which servers of PostgreSQL the job supports."""

import re

from etl.database.error_map import unsupported
from etl.error_codes import Code
from etl.errors import ConfigurationError, TaskAuditError

MIN_VERSION = 14
OTHER_PRODUCTS = re.compile(r"Redshift|Greenplum|Cloudberry|GaussDB|-YB-|CrateDB|Materialize|RisingWave", re.IGNORECASE)
"""Servers whose version begins as that of PostgreSQL does."""


def refusal_of_server(version: str, *, encoding: str, server: str) -> TaskAuditError | None:
    """Return the error for a server that is not supported; None if it is.

    Args:
        version: the answer to ``SELECT version()``.
        encoding: the encoding of the database.
        server: the address of the server, for the message.
    """
    number = re.match(r"(?:PostgreSQL|EnterpriseDB) (\d+)", version)
    if number is None or int(number[1]) < MIN_VERSION or OTHER_PRODUCTS.search(version):
        return unsupported(server, version, f"PostgreSQL {MIN_VERSION} or newer")
    if encoding not in {"UTF8", "UNICODE", "UTF-8"}:
        return ConfigurationError(
            f"The database {server} stores text as {encoding}, which cannot hold every text.",
            code=Code.DATABASE_UNSUPPORTED,
            remedy="Create a database with ENCODING 'UTF8' TEMPLATE template0, and name it in the URL.",
        )
    return None
