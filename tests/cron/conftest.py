"""The facts that all files of cron/ agree on."""

import pytest

from etl.exit_codes import ExitCode


@pytest.fixture(scope="session")
def retryable() -> set[int]:
    """The codes after which another attempt can help."""
    return {code for code in ExitCode if code.retry}


@pytest.fixture(scope="session")
def final(retryable) -> set[int]:
    """The codes after which a person must do something first."""
    return set(ExitCode) - retryable - {ExitCode.OK}
