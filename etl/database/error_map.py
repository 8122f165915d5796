"""What a failure of a database means to the operator: the code, and the remedy.

Each engine has a small table from its driver's errors to these faults. An error that is in no table is a bug and keeps
its traceback.
"""

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
