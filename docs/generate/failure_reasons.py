"""Makes the table of the reasons why a task could not be audited."""

from docs.generate.markdown import table
from etl.tasks.failure_reasons import FailureReason

HEAD = """\
# Failure reasons

Made from the code by `make reference`. The first table has the reasons of dead letters. A reason of the second table
leaves a task pending. After as many failed runs as `run.dead_letter_after`, the task becomes a dead letter `exhausted`.

"""


def page() -> str:
    """Describe every reason."""
    lasting = [reason for reason in FailureReason if reason.recovery.is_lasting]
    passing = [reason for reason in FailureReason if reason not in lasting]
    return f"{HEAD}## Dead letters\n\n{_table(lasting)}\n## Tasks that stay pending\n\n{_table(passing)}"


def _table(reasons: list[FailureReason]) -> str:
    rows = (
        (f"`{reason}`", reason.cause, reason.recovery.name.lower().replace("_", " "), reason.remedy)
        for reason in reasons
    )
    return table(("reason", "cause", "reaction", "what you do"), rows)
