"""Runs in an environment with Dagster, and prints as JSON what the example of a folder makes of runs and exit codes."""

import json
import os
import sys

import dagster
import task_audit_asset as example


def end_of(program):
    """Run the job's function with another program; say whether Dagster would try it again."""
    try:
        example.run_job(program)
    except dagster.Failure as failure:
        return "retried" if failure.allow_retries else "final"
    return "succeeded"


def test_of(asset):
    """Materialize the asset once; return whether it succeeded, how often it was retried, and the numbers it shows."""
    result = dagster.materialize([asset], raise_on_error=False)
    retries = [event for event in result.all_events if event.is_step_up_for_retry]
    numbers = {
        name: value.value
        for event in result.get_asset_materialization_events()
        for name, value in event.materialization.metadata.items()
    }
    return [result.success, len(retries), numbers]


def main(programs):
    dagster.Definitions.validate_loadable(example.definitions)
    found = {
        "codes": {code: end_of(program) for code, program in programs.items()},
        "night": test_of(example.fact_task_status),
    }
    os.environ["TASK_AUDIT_API__MAX_RATE"] = "none"
    return found | {"wrong configuration": test_of(example.fact_task_status)}


if __name__ == "__main__":
    sys.stdout.write("\n" + json.dumps(main(json.loads(sys.argv[1]))))
