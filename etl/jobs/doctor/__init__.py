"""Looks at everything that a run needs, and says of each what is wrong with it and what to do; changes nothing.

Each check stands by itself: one that fails hides no other.
"""

from collections.abc import Callable, Iterator

from etl.exit_codes import ExitCode
from etl.jobs.doctor.api import examine_api
from etl.jobs.doctor.databases import examine_queue, examine_user_table, examine_warehouse
from etl.jobs.doctor.finding import Finding, State, failed
from etl.jobs.doctor.machine import examine_disk, examine_secrets, examine_settings
from etl.settings.load import Configuration

__all__ = ["Finding", "State", "examine", "verdict"]

GRAVEST_FIRST = (ExitCode.BUG, ExitCode.CONFIGURATION, ExitCode.CREDENTIALS, ExitCode.UNAVAILABLE, ExitCode.STOPPED)

Check = Callable[[Configuration], Iterator[Finding]]


def examine(configuration: Configuration) -> Iterator[Finding]:
    """Examine one thing after the other."""
    pending = examine_queue if configuration.settings.source.mode == "queue" else examine_user_table
    checks: dict[str, Check] = {
        "settings": examine_settings,
        "secrets": examine_secrets,
        "pending database": pending,
        "warehouse": examine_warehouse,
        "API": examine_api,
        "disk": examine_disk,
    }
    for subject, check in checks.items():
        try:
            yield from check(configuration)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one thing, the others are looked at
            yield failed(subject, error)


def verdict(findings: list[Finding]) -> ExitCode:
    """Say what a run would end with, by the gravest failure."""
    codes = {finding.exit_code for finding in findings if finding.state is State.FAILURE}
    return next((code for code in GRAVEST_FIRST if code in codes), ExitCode.OK)
