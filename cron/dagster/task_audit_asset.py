"""A Dagster asset (tried with 1.13) for the facts: the job makes them every night and is retried by its exit code.

Put it into a code location. The machine of the run needs the program, the settings and the secrets
(TASK_AUDIT_CONFIG, TASK_AUDIT_SECRETS_DIR).
"""

import json
import subprocess

import dagster

PROGRAM = "/opt/task-audit/bin/task-audit"

NEEDS_A_PERSON = {2, 65, 70, 77, 78}
"""Exit codes after which another attempt cannot help; see cron/README.md."""


def run_job(program: str = PROGRAM) -> dict[str, object]:
    """Run the job once, and return its numbers."""
    command = [program, "run", "--max-duration", "1h", "--log-format", "json", "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)  # noqa: S603 - a fixed command line
    if done.returncode:
        raise dagster.Failure(
            f"task-audit ended with {done.returncode}: see cron/README.md.",
            allow_retries=done.returncode not in NEEDS_A_PERSON,
        )
    return json.loads(done.stdout)


@dagster.asset(retry_policy=dagster.RetryPolicy(max_retries=3, delay=600))
def fact_task_status() -> dagster.MaterializeResult:
    """One row per KooDrive task, as last known."""
    return dagster.MaterializeResult(metadata={name: str(value) for name, value in run_job().items()})


nightly = dagster.ScheduleDefinition(
    name="task_audit", target=[fact_task_status], cron_schedule="15 1 * * *", execution_timezone="UTC"
)

definitions = dagster.Definitions(assets=[fact_task_status], schedules=[nightly])
