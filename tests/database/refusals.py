"""What a database that cannot be used says to a run."""

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from etl.database.connections import open_engine

PASSWORD = "CANARY-77ab"


def refused(url, *, fault, statement="SELECT 1", create=False, name="the pending database"):
    """Return the message of the error that a statement ends with: one line, without a secret."""
    engine = open_engine(SecretStr(url), name=name, create=create)
    try:
        with pytest.raises(fault) as raised, engine.begin() as connection:
            connection.execute(text(statement))
    finally:
        engine.dispose()
    message = str(raised.value)
    assert "\n" not in message
    assert PASSWORD not in message
    return message
