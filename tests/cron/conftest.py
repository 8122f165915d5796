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


@pytest.fixture(scope="module")
def validator():
    """Import the validator here, since the import takes seconds in every process of the tests."""
    import kubernetes_validate

    return kubernetes_validate


@pytest.fixture(params=["1.29", "1.31", "1.33", "latest"])
def version(request, validator):
    """A version of Kubernetes that the validator knows."""
    return ".".join(validator.latest_version().split(".")[:2]) if request.param == "latest" else request.param
