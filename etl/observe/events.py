"""Every event that the log tells: what it means, and its fields. A test compares this with what the code writes.

Each line has ``event``, ``level`` and ``timestamp`` besides, and every line of a run has its ``run_id``. What is about
one request has its ``trace_id``, which the server of KooDrive knows, too.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """What a line of the log tells."""

    meaning: str
    fields: tuple[str, ...] = ()


EVENTS: dict[str, Event] = {
    "run_planned": Event(
        "How many tasks are due, and how long that will take.", ("tasks", "requests_at_most", "minutes", "ends_at")
    ),
    "run_started": Event("A run begins to claim tasks.", ("max_rate",)),
    "batch_loaded": Event("Outcomes are committed; `audited` counts the run's until now.", ("tasks", "audited")),
    "task_dead_lettered": Event(
        "A task could not be audited, and no run asks about it again.",
        ("task_id", "trace_id", "reason", "http_status", "error_code", "said"),
    ),
    "dead_letters_untold": Event("There are more dead letters than a run names; the table has all.", ("told",)),
    "paused": Event("Nothing is asked for so many seconds.", ("seconds", "reason", "trace_id", "said")),
    "resumed": Event("A probe went well after a pause.", ("rate",)),
    "rate_changed": Event("Requests go more slowly, since the API throttles.", ("rate", "named_by_api")),
    "deferred_pass": Event("Tasks that had failed are asked about again, after a rest.", ("tasks", "seconds")),
    "credentials_refused": Event("The credentials were refused, and renewed.", ("renewals", "trace_id", "said")),
    "clock_corrected": Event("The API's clock is believed, so many seconds ahead of ours.", ("seconds",)),
    "acknowledged_for_dead_runs": Event("Tasks were settled that a run had loaded before it died.", ("tasks",)),
    "waiting_for_another_run": Event("Another run holds tasks that are due here.", ("tasks",)),
    "waiting_for_lock": Event("Another program holds the database's file.", ("seconds", "said")),
    "database_stumbled": Event("A database undid a transaction, which is done again.", ("attempt", "said")),
    "leases_lost": Event("Another run has taken over tasks of this one.", ("tasks",)),
    "leases_left_to_expire": Event("Tasks could not be given back; others wait so long.", ("tasks", "seconds")),
    "stopping": Event("The run ends early and cleanly, for the reason given.", ("said",)),
    "drift": Event("Answers differ from the documentation.", ("what", "answers")),
    "bug": Event("Something happened that nobody foresaw, with its traceback.", ("exc_info",)),
    "run_row_not_written": Event("The end of the run could not be written to the warehouse."),
    "run_finished": Event(
        "How the run ended.",
        ("outcome", "exit_code", "claimed", "audited", "dead_lettered", "released", "requests", "error"),
    ),
    "list_read": Event(
        "KooDrive's list of tasks was read, to its end or not; `given` were wanted, and `new` of them added.",
        ("requests", "throttled", "pages", "listed", "repeated", "given", "new", "is_complete"),
    ),
    "file_replayed": Event("A file of the archive is loaded again.", ("file", "audited")),
    "telemetry_failed": Event("Somebody who was to be told of the run was not.", ("target", "error")),
    "command_failed": Event(
        "What ended a command; `causes` with `-v`, `exc_info` for a bug.",
        ("code", "message", "remedy", "exit_code", "causes", "exc_info"),
    ),
    "library_warning": Event("A library warns of something.", ("logger", "said", "exc_info")),
}
