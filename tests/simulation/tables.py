"""What the auditor reads from the databases."""

from typing import NamedTuple


class Row(NamedTuple):
    """A row of the queue, with times as SQLite keeps them."""

    task_id: str
    state: str
    attempts: int
    owner: str | None
    until: str | None
    fence: int
    error: str | None
    due: str | None
    checked: str | None


QUEUE = """
    SELECT task_id, state, attempts, lease_owner, lease_until, fence, last_error, next_check_at, last_checked_at
    FROM pending_task
"""
HISTORY = """
    SELECT task_id, observed_at, previous_status, status, previous_result_code, result_code
    FROM fact_task_status_change ORDER BY task_id, observed_at
"""
FACTS = "SELECT task_id, status, result_code, first_seen_at, status_changed_at, last_checked_at FROM fact_task_status"
LETTERS = "SELECT task_id, reason, attempts, resolved_at, last_failed_at FROM dead_letter"
RUNS = """
    SELECT run_id, outcome, exit_code, claimed, audited, changed, unchanged, dead_lettered, released FROM audit_run
"""
