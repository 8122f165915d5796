"""Runs in an environment with Airflow, and prints as JSON what the example of a folder makes of runs and exit codes."""

import json
import os
import sys

from airflow.dag_processing.dagbag import DagBag
from airflow.sdk.exceptions import AirflowFailException
from airflow.utils.db import upgradedb


def end_of(task, program):
    """Run the task's function with another program; say whether Airflow would try it again."""
    try:
        task.python_callable(program)
    except AirflowFailException:
        return "final"
    except Exception:  # noqa: BLE001 - Airflow retries after any other
        return "retried"
    return "succeeded"


def test_of(dag):
    """Run the DAG once, and return the state of its only task, how often it was tried, and its result."""
    (instance,) = dag.test().get_task_instances()
    return [str(instance.state), instance.try_number, instance.xcom_pull(task_ids="audit")]


def main(folder, programs):
    upgradedb()
    bag = DagBag(folder)
    dag = bag.dags["task_audit"]
    found = {
        "errors": list(bag.import_errors.values()),
        "codes": {code: end_of(dag.get_task("audit"), program) for code, program in programs.items()},
        "night": test_of(dag),
    }
    os.environ["TASK_AUDIT_API__MAX_RATE"] = "none"
    return found | {"wrong configuration": test_of(dag)}


if __name__ == "__main__":
    sys.stdout.write("\n" + json.dumps(main(sys.argv[1], json.loads(sys.argv[2]))))
