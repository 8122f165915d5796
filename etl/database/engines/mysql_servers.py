"""Which servers of MySQL and MariaDB the job supports."""

import re

from etl.database.error_map import unsupported
from etl.error_codes import Code
from etl.errors import ConfigurationError, TaskAuditError

MIN_VERSIONS = {"MySQL": (8, 0, 23), "MariaDB": (10, 6, 0)}
"""The first versions with invisible columns, and with SKIP LOCKED."""

TAURUSDB_VERSION = (8, 0, 22)
"""The version of MySQL that TaurusDB's kernel 2.0 is compatible with."""

OTHER_PRODUCTS = re.compile(r"TiDB|OceanBase|SingleStore|MemSQL|Vitess|Doris|StarRocks|Dolt", re.IGNORECASE)
"""Servers whose version begins as that of MySQL does."""

MIN_PACKET_BYTES = 2 << 20
"""The driver packs rows into statements of a million bytes."""


def refusal_of_server(version: str, *, packet_bytes: int, server: str) -> TaskAuditError | None:
    """Return the error for a server that is not supported; None if it is.

    Args:
        version: the version that the server gives.
        packet_bytes: its ``max_allowed_packet``.
        server: the address of the server, for the message.
    """
    product = "MariaDB" if "MariaDB" in version else "MySQL"
    # MariaDB puts a version before its own for clients that would refuse a MySQL 10.
    number = re.match(r"(?:5[.]5[.]5-)?(\d+)[.](\d+)[.](\d+)", version)
    numbers = tuple(map(int, number.groups())) if number else ()
    if numbers < MIN_VERSIONS[product] or OTHER_PRODUCTS.search(version):
        wanted = "MySQL 8.0.23 or newer, or MariaDB 10.6 or newer"
        if numbers == TAURUSDB_VERSION:
            wanted += "; if this is TaurusDB, RDS for MySQL or a TaurusDB that is compatible with a newer MySQL"
        return unsupported(server, version, wanted)
    if packet_bytes < MIN_PACKET_BYTES:
        return ConfigurationError(
            f"The server {server} accepts packets of {packet_bytes:,} bytes, and the job sends larger ones.",
            code=Code.DATABASE_UNSUPPORTED,
            remedy=f"Set max_allowed_packet on the server to {MIN_PACKET_BYTES:,} or more.",
        )
    return None
