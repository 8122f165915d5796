"""Checks everything that a run needs, and says what is wrong and what to do; changes nothing.

The checks are independent: a failed check never hides another one.
"""

from collections.abc import Callable, Iterator

from etl.exit_codes import ExitCode, worst
from etl.jobs.doctor.api import examine_api
from etl.jobs.doctor.databases import examine_queue, examine_user_table, examine_warehouse
from etl.jobs.doctor.file_rights import examine_secrets
from etl.jobs.doctor.finding import Finding, State, failed
from etl.jobs.doctor.machine import examine_database_files, examine_disk, examine_settings
from etl.jobs.doctor.metrics import examine_metrics
from etl.jobs.doctor.network import examine_archive, examine_proxies
from etl.jobs.doctor.read_copy import examine_read_copy
from etl.jobs.doctor.tls import examine_tls
from etl.settings.load import Configuration

__all__ = ["Finding", "State", "examine", "verdict"]

Check = Callable[[Configuration], Iterator[Finding]]


def examine(configuration: Configuration) -> Iterator[Finding]:
    """Run all checks, one after the other."""
    pending = examine_queue if configuration.settings.source.mode == "queue" else examine_user_table
    checks: dict[str, Check] = {
        "settings": examine_settings,
        "secrets": examine_secrets,
        "pending database": pending,
        "warehouse": examine_warehouse,
        "database files": examine_database_files,
        "read copy": examine_read_copy,
        "TLS": examine_tls,
        "proxy": examine_proxies,
        "API": examine_api,
        "archive": examine_archive,
        "metrics": examine_metrics,
        "disk": examine_disk,
    }
    for subject, check in checks.items():
        try:
            yield from check(configuration)
        except Exception as error:  # noqa: BLE001 - the other checks run after any error
            yield failed(subject, error)


def verdict(findings: list[Finding]) -> ExitCode:
    """Return the exit code that a run would have, by the worst failure."""
    return worst({finding.exit_code for finding in findings if finding.state is State.FAILURE})
