"""What an error of a database means for the run: try again, try later, mend the configuration, or a bug.

Each engine names its errors in its own way, so each has a small table. An error that no table knows is a bug and keeps
its traceback.
"""

import sqlite3

from sqlalchemy.engine import ExceptionContext

from etl.database.lock_holders import lock_holders_of
from etl.errors import Code, ConfigurationError, StoppedError, TaskAuditError, TransientError, UnavailableError

Fault = type[TaskAuditError]

WHEN_BACK = "Nothing that was not committed is lost; run again when it is back."

MEANING: dict[Fault, tuple[Code, str]] = {
    UnavailableError: (Code.DATABASE_UNAVAILABLE, WHEN_BACK),
    TransientError: (Code.DATABASE_UNAVAILABLE, WHEN_BACK),
    StoppedError: (Code.DATABASE_LOCKED, "Another program holds it; run again when that has ended."),
    ConfigurationError: (Code.DATABASE_REFUSED, "Check the URL and the rights, then run `task-audit init`."),
}
"""The code and the remedy."""

SQLITE: dict[str, Fault] = {
    "SQLITE_BUSY": StoppedError,
    "SQLITE_LOCKED": StoppedError,
    "SQLITE_CANTOPEN": UnavailableError,
    "SQLITE_CORRUPT": UnavailableError,
    "SQLITE_FULL": UnavailableError,
    "SQLITE_IOERR": UnavailableError,
    "SQLITE_NOTADB": ConfigurationError,
    "SQLITE_PERM": UnavailableError,
    "SQLITE_READONLY": UnavailableError,
}
"""By the name of the primary result code (https://www.sqlite.org/rescode.html)."""

POSTGRESQL: dict[str, Fault] = {
    "08": TransientError,  # connection exception
    "25006": UnavailableError,  # read-only transaction: a standby after a failover
    "28": ConfigurationError,  # invalid authorization
    "3D000": ConfigurationError,  # no such database
    "3F000": ConfigurationError,  # no such schema
    "40": TransientError,  # serialization failure, deadlock
    "42501": ConfigurationError,  # insufficient privilege
    "42703": ConfigurationError,  # no such column
    "42P01": ConfigurationError,  # no such table
    "53": UnavailableError,  # insufficient resources: disk full, out of memory
    "53300": TransientError,  # too many connections
    "55P03": StoppedError,  # lock not available
    "57": UnavailableError,  # operator intervention: query canceled, database dropped
    "57P01": TransientError,  # shutdown, or a terminated backend
    "57P02": TransientError,  # the server crashed
    "57P03": TransientError,  # the server is starting up, or shutting down
    "58": UnavailableError,  # system error
}
"""By SQLSTATE, whole or its class (https://www.postgresql.org/docs/current/errcodes-appendix.html)."""

MYSQL: dict[int, Fault] = {
    0: TransientError,  # the driver's own: the connection was closed
    1016: UnavailableError,  # the server cannot open a file
    1017: UnavailableError,  # a file of the server is gone, such as a temporary table
    1020: TransientError,  # record has changed since last read: a serialization failure
    1021: UnavailableError,  # disk full
    1030: UnavailableError,  # error from the storage engine
    1037: UnavailableError,  # out of memory
    1040: TransientError,  # too many connections
    1041: UnavailableError,  # out of memory
    1044: ConfigurationError,  # no right to the database
    1045: ConfigurationError,  # access denied
    1049: ConfigurationError,  # no such database
    1053: TransientError,  # shutdown in progress
    1054: ConfigurationError,  # no such column
    1114: UnavailableError,  # table full, which is how a full disk shows itself
    1129: UnavailableError,  # host blocked for its many errors
    1130: ConfigurationError,  # host not allowed
    1142: ConfigurationError,  # no right to the table
    1143: ConfigurationError,  # no right to the column
    1146: ConfigurationError,  # no such table
    1152: TransientError,  # connection aborted
    1153: ConfigurationError,  # a packet larger than max_allowed_packet
    1158: TransientError,  # network errors, to 1161
    1159: TransientError,
    1160: TransientError,
    1161: TransientError,
    1203: TransientError,  # too many connections of the user
    1205: StoppedError,  # lock wait timeout
    1206: UnavailableError,  # lock table full
    1213: TransientError,  # deadlock
    1226: UnavailableError,  # a limit of the user's is reached
    1227: ConfigurationError,  # a privilege is missing
    1251: ConfigurationError,  # a way to authenticate that the driver does not know
    1290: UnavailableError,  # read-only server: a replica after a failover
    1317: UnavailableError,  # query interrupted
    1370: ConfigurationError,  # no right to the routine
    1665: ConfigurationError,  # binlog_format = STATEMENT
    1698: ConfigurationError,  # access denied: the user may only come by a socket
    1792: UnavailableError,  # read-only transaction
    1836: UnavailableError,  # read-only mode
    1862: ConfigurationError,  # password expired
    1927: TransientError,  # connection killed (MariaDB)
    1969: UnavailableError,  # statement timeout (MariaDB)
    2002: TransientError,  # no server at the socket
    2003: TransientError,  # no server at the address
    2005: UnavailableError,  # unknown host
    2006: TransientError,  # server has gone away
    2013: TransientError,  # connection lost
    2055: TransientError,  # connection lost
    2059: ConfigurationError,  # a way to authenticate that the driver does not know
    2061: ConfigurationError,  # the same
    3024: UnavailableError,  # statement timeout (MySQL)
    3118: ConfigurationError,  # account locked (MySQL)
    3159: ConfigurationError,  # the server wants TLS
    4031: TransientError,  # disconnected for inactivity (MySQL)
    4151: ConfigurationError,  # account locked (MariaDB)
}
"""By error number (https://mariadb.com/kb/en/mariadb-error-code-reference/); above 1900 the two engines differ."""

POSTGRESQL_CONNECTION: tuple[str, ...] = (
    "bad value for",
    "does not exist",
    "invalid connection option",
    "invalid sslmode value",
    "is not permitted to log in",
    "no password supplied",
    "no pg_hba.conf entry",
    "password authentication failed",
)
"""What the error of a connection says if it will say so again; the driver keeps no SQLSTATE of such."""

DUCKDB: dict[str, Fault] = {
    "BinderException": ConfigurationError,
    "CatalogException": ConfigurationError,
    "ConnectionException": UnavailableError,
    # The file could not be written to, and after it nothing is until it is opened again.
    "FatalException": UnavailableError,
    "IOException": UnavailableError,
    "OutOfMemoryException": UnavailableError,
    # At the commit: what went before had no other writer to meet.
    "TransactionException": UnavailableError,
}
"""By the name of the exception."""


def translate(error: BaseException, *, database: str, file: str | None = None) -> TaskAuditError | None:
    """Say what a driver's error means; None is a bug.

    Args:
        error: the exception of the driver itself, not SQLAlchemy's around it.
        database: how to call the database in the message, for example "the warehouse".
        file: of an embedded database.
    """
    fault = _fault_of(error)
    if fault is None:
        return None
    said = f"{database[0].upper()}{database[1:]} says: {first_line(error)}."
    if fault is StoppedError and file and isinstance(error, sqlite3.Error) and (holders := lock_holders_of(file)):
        said = f"{said} It is held by {holders}."
    code, remedy = MEANING[fault]
    return fault(said, code=code, remedy=remedy)


def error_translator(database: str, *, file: str | None = None) -> "ErrorTranslator":
    """Make a listener for SQLAlchemy's ``handle_error`` event that raises the translated error."""
    return ErrorTranslator(database, file)


class ErrorTranslator:
    """Raises a run's error in the place of a driver's."""

    def __init__(self, database: str, file: str | None) -> None:
        self._database = database
        self._file = file

    def __call__(self, context: ExceptionContext) -> None:
        """Translate, or leave the error as it is."""
        executing = context.execution_context
        if executing is not None and executing.execution_options.get("skip_user_error_events"):
            # The dialect of MySQL asks whether a table is there, and takes the error for an answer.
            return
        original = context.original_exception
        translated = translate(original, database=self._database, file=self._file)
        if translated is not None:
            raise translated from original


def _fault_of(error: BaseException) -> Fault | None:
    if isinstance(error, sqlite3.Error):
        return _sqlite_fault(error)
    module = type(error).__module__
    if module.startswith("psycopg"):
        return _postgresql_fault(error)
    if module.startswith("pymysql"):
        return MYSQL.get(error.args[0]) if error.args else None
    if "duckdb" in module:
        return StoppedError if "Could not set lock" in str(error) else DUCKDB.get(type(error).__name__)
    return None


def _sqlite_fault(error: sqlite3.Error) -> Fault | None:
    if str(error).startswith(("no such table", "no such column")):
        return ConfigurationError
    name = getattr(error, "sqlite_errorname", "")
    return next((fault for code, fault in SQLITE.items() if name.startswith(code)), None)


def _postgresql_fault(error: BaseException) -> Fault | None:
    sqlstate: str | None = getattr(error, "sqlstate", None)
    if sqlstate is None:
        # A connection that could not be made, or was lost, carries no state.
        if any(phrase in str(error) for phrase in POSTGRESQL_CONNECTION):
            return ConfigurationError
        return TransientError if type(error).__name__ in {"OperationalError", "ConnectionTimeout"} else None
    return POSTGRESQL.get(sqlstate) or POSTGRESQL.get(sqlstate[:2])


def first_line(error: BaseException | None) -> str:
    """Keep the first line of what a driver says: those after it may quote data."""
    # A driver of MySQL gives the number and the words apart.
    arguments = error.args if error else ()
    said = arguments[1] if len(arguments) > 1 and isinstance(arguments[0], int) else error
    lines = str(said).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
