"""The longest pause between two statements of a transaction, after which a server ends it, where it has such a setting.

A client that is frozen or cut off keeps its locks until then, and they would stop every other run.
"""

from sqlalchemy import Connection, Engine

MAX_PAUSE_SECONDS = 60
"""The usual limit; a pause takes milliseconds while the client lives."""

OPTION = "max_pause_seconds"


def with_max_pause(engine: Engine, seconds: int) -> Engine:
    """Return the engine with another limit for its transactions; 0 stands for none."""
    return engine.execution_options(**{OPTION: seconds})


def max_pause_seconds(connection: Connection) -> int:
    """Return the limit of a connection's transactions."""
    seconds: int = connection.get_execution_options().get(OPTION, MAX_PAUSE_SECONDS)
    return seconds
