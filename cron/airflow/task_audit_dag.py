"""An Airflow DAG (tried with 3.3) that starts the job every night and retries by its exit code.

Put it into the DAGs folder. The workers need the program, the settings and the secrets (TASK_AUDIT_CONFIG,
TASK_AUDIT_SECRETS_DIR). If the program is in an image of its own, use a KubernetesPodOperator in the same way.
"""

import json
import subprocess
from datetime import datetime, timedelta

from airflow.sdk import dag, task
from airflow.sdk.exceptions import AirflowFailException

PROGRAM = "/opt/task-audit/bin/task-audit"

NEEDS_A_PERSON = {2, 65, 70, 77, 78}
"""Exit codes after which another attempt cannot help; see cron/README.md."""


@task(retries=3, retry_delay=timedelta(minutes=10), execution_timeout=timedelta(hours=2))
def audit(program: str = PROGRAM) -> dict[str, object]:
    """Run the job once, and return its numbers as the result of the task."""
    # The run ends by itself well before the execution timeout. Its logs go to the log of the task.
    command = [program, "run", "--max-duration", "1h", "--log-format", "json", "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)  # noqa: S603 - a fixed command line
    if done.returncode in NEEDS_A_PERSON:
        raise AirflowFailException(f"task-audit ended with {done.returncode}: see cron/README.md.")
    done.check_returncode()
    return json.loads(done.stdout)


@dag(schedule="15 1 * * *", start_date=datetime(2026, 1, 1), catchup=False, max_active_runs=1, tags=["audit"])  # noqa: DTZ001 - Airflow's default time zone is UTC
def task_audit() -> None:
    """Audit KooDrive tasks into the warehouse."""
    audit()


task_audit()
