"""What a failure of a database means to the operator: the code, and the remedy.

Each engine has a small table from its driver's errors to these faults. An error that is in no table is a bug and keeps
its traceback. The words of a driver may quote the data of a row, so only the log has them all.
"""

import re

import structlog

from etl.error_codes import Code
from etl.errors import ConfigurationError, StoppedError, TaskAuditError, TransientError, UnavailableError

Fault = type[TaskAuditError]

WHEN_BACK = "Nothing that was not committed is lost; run again when it is back."

MEANING: dict[Fault, tuple[Code, str]] = {
    UnavailableError: (Code.DATABASE_UNAVAILABLE, WHEN_BACK),
    TransientError: (Code.DATABASE_UNAVAILABLE, WHEN_BACK),
    StoppedError: (Code.DATABASE_LOCKED, "Another program holds it; run again when that has ended."),
    ConfigurationError: (Code.DATABASE_REFUSED, "Check the URL and the rights, then run `task-audit init`."),
}
"""The code and the remedy of each fault."""

DATA_ERRORS = frozenset({"DataError", "IntegrityError"})
"""The classes of the DB-API whose messages quote the values of rows."""

QUOTATION = re.compile(r"\s*['\"`\u2018\u201c].*", re.DOTALL)

log: structlog.stdlib.BoundLogger = structlog.get_logger()


def words_without_data(error: BaseException, *, is_free_text: bool) -> str:
    """Describe a driver's error without the values of a row, and log its whole text.

    Args:
        error: the exception of the driver itself.
        is_free_text: whether a function or a trigger of the database has chosen the words.
    """
    log.warning("database_error", said=str(error))
    words = "" if is_free_text else QUOTATION.sub(" …", first_line(error))
    return f"{identity_of(error)}: {words or 'the log has its text'}"


def identity_of(error: BaseException) -> str:
    """Return the class of an error, and the code that a database gave it, such as ``CheckViolation (SQLSTATE 23514)``.

    Args:
        error: an exception of any kind; for one of SQLAlchemy, the driver's own counts.
    """
    original = getattr(error, "orig", None) or error
    name = type(original).__name__
    if sqlstate := getattr(original, "sqlstate", None):
        return f"{name} (SQLSTATE {sqlstate})"
    number = next((each for each in getattr(original, "args", ())[:1] if isinstance(each, int)), None)
    code = getattr(original, "sqlite_errorname", None) or number
    return name if code is None else f"{name} ({code})"


def first_line(error: BaseException | None) -> str:
    """Return the first line of a driver's message; the lines after it may quote data."""
    # The driver of MySQL gives the number and the message as two arguments.
    arguments = error.args if error else ()
    message = arguments[1] if len(arguments) > 1 and isinstance(arguments[0], int) else error
    lines = str(message).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__


def unsupported(server: str, version: str, wanted: str) -> TaskAuditError:
    """Return the error for a server of another product or an older version.

    Args:
        server: the address of the server.
        version: the version that the server gives, which names the product.
        wanted: the supported product and version.
    """
    return ConfigurationError(
        f"The server {server} is {version[:100]!r}, which is not supported.",
        code=Code.DATABASE_UNSUPPORTED,
        remedy=f"Use {wanted}.",
    )
