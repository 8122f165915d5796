"""The events of the log, with the meaning and the fields of each. A test compares them with the code's log calls.

Every line also has ``event``, ``level`` and ``timestamp``, and every line of a run has its ``run_id``. A line about one
request has its ``trace_id``, which KooDrive's server logs, too.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """The meaning of an event, and its fields."""

    meaning: str
    fields: tuple[str, ...] = ()


EVENTS: dict[str, Event] = {
    "run_planned": Event(
        "The number of tasks that are due, and how long the run will take.",
        ("tasks", "requests_at_most", "minutes", "ends_at"),
    ),
    "checked_in_future": Event(
        "A clock was ahead when these tasks were last checked. The run asks about them as if they never were.",
        ("tasks",),
    ),
    "times_corrected": Event(
        "A clock was ahead when an earlier run wrote its facts about these tasks. The job has just received an answer "
        "about each of them, and moves the times of the facts and their history to before it.",
        ("tasks",),
    ),
    "times_unreadable": Event(
        "Rows of the user's own table have a value that is no time. The run goes by the time inside their IDs.",
        ("tasks", "first"),
    ),
    "export_left_files": Event(
        "An export is whole, but files of earlier exports could not be deleted. The next export tries again.",
        ("files", "said"),
    ),
    "process_died": Event(
        "A process of `run --processes` was killed by the signal; the others go on, and its leases run out.",
        ("pid", "signal"),
    ),
    "run_started": Event("A run begins to claim tasks.", ("max_rate",)),
    "batch_loaded": Event(
        "The outcomes of a batch are committed; `audited` is the total of the run so far.", ("tasks", "audited")
    ),
    "task_dead_lettered": Event(
        "A task could not be audited, and no run asks about it again.",
        ("task_id", "trace_id", "reason", "http_status", "error_code", "said"),
    ),
    "dead_letters_untold": Event(
        "The run has more dead letters than it logs, `told`; the table `dead_letter` has all.", ("told",)
    ),
    "paused": Event("The run sends no requests for `seconds`.", ("seconds", "reason", "trace_id", "said")),
    "resumed": Event("A probe succeeded after a pause, and the run continues.", ("rate",)),
    "rate_changed": Event(
        "The run sends at another `rate`, or has a limit for its requests `in_flight`. `decision` says why: `named`, "
        "`lowered`, `limit_found`, `limit_changed`, `fewer_in_flight` after a refusal; `raised`, `probe`, "
        "`more_in_flight` after answers. The API admits `low` requests per second, and has refused `high`.",
        ("rate", "named_by_api", "decision", "low", "high", "in_flight"),
    ),
    "deferred_pass": Event("The run asks again about tasks that failed, after a rest.", ("tasks", "seconds")),
    "credentials_refused": Event(
        "The API refused the credentials, and the run renewed them.", ("renewals", "trace_id", "said")
    ),
    "clock_corrected": Event("The API's clock is `seconds` ahead of ours, and the run follows it.", ("seconds",)),
    "claims_in_turns": Event(
        "KooDrive refuses most of the `claimed` tasks, so the run also asks about newer ones before the rest.",
        ("claimed",),
    ),
    "acknowledged_for_dead_runs": Event(
        "The run acknowledged tasks that another run had loaded before it crashed.", ("tasks",)
    ),
    "waiting_for_another_run": Event("Another run holds tasks that are due in this one.", ("tasks",)),
    "waiting_for_lock": Event("Another program holds the lock of the database file.", ("seconds", "said")),
    "database_stumbled": Event("The database rolled a transaction back, and the run repeats it.", ("attempt", "said")),
    "database_error": Event(
        "A database refused an operation. `said` is its whole message, which may quote a row. Only the log has it.",
        ("said",),
    ),
    "leases_lost": Event("Another run has taken over tasks of this one.", ("tasks",)),
    "leases_left_to_expire": Event(
        "The run could not give tasks back; other runs can claim them after `seconds`.", ("tasks", "seconds")
    ),
    "stopping": Event(
        "The run ends early and cleanly, for the reason in `said`; `quoted` is what KooDrive said about it.",
        ("said", "quoted"),
    ),
    "dimension_full": Event(
        "A dimension has as many rows as it may, and `tasks` of the run have a value without a row in it.",
        ("dimension", "rows", "tasks"),
    ),
    "calendar_filled": Event(
        "The calendar was of another time zone than the settings of the run, and has the days of `time_zone` now.",
        ("time_zone",),
    ),
    "drift": Event("Responses differ from KooDrive's documentation.", ("what", "answers")),
    "bug": Event("An unexpected error, with its traceback.", ("exc_info",)),
    "run_row_not_written": Event("The run could not write its end to the warehouse."),
    "run_finished": Event(
        "The run has ended. Open tasks that are not due again yet are `waiting`, the first until `next_check_at`.",
        (
            *("outcome", "exit_code", "claimed", "audited", "dead_lettered", "released", "requests", "error"),
            *("waiting", "next_check_at"),
        ),
    ),
    "list_read": Event(
        "KooDrive's list of tasks was read, completely or not; `given` tasks matched, and `new` of them were added.",
        ("requests", "throttled", "pages", "listed", "repeated", "given", "new", "is_complete"),
    ),
    "replayed_without_checksum": Event(
        "These files of the archive have no checksum, since an older version wrote them; damage may go unnoticed.",
        ("files",),
    ),
    "file_replayed": Event("A file of the archive was loaded again.", ("file", "audited")),
    "replay_finished": Event(
        "A replay has loaded all files of its range.", ("audited", "changed", "unchanged", "dead_lettered")
    ),
    "note": Event("What the command says beside its data.", ("said",)),
    "tool_called": Event(
        "An assistant called a tool of `task-audit mcp`. `code` is that of an error. Arguments are not logged.",
        ("tool", "seconds", "code"),
    ),
    "tool_crashed": Event("A tool of `task-audit mcp` met a bug; the server goes on.", ("tool",)),
    "read_copy_renewed": Event(
        "The copy of the warehouse for readers is of this moment.", ("file", "bytes", "seconds")
    ),
    "read_copy_failed": Event(
        "The copy of the warehouse for readers could not be renewed. The previous one is still there.", ("file", "said")
    ),
    "telemetry_failed": Event("A target did not receive its report about the run.", ("target", "error")),
    "command_failed": Event(
        "The error that ended a command; `quoted` is what KooDrive said, `causes` with `-v`, `exc_info` for a bug.",
        ("code", "message", "remedy", "exit_code", "quoted", "causes", "exc_info"),
    ),
    "output_not_written": Event(
        "Stdout did not take the row of the run, which keeps its exit code; the warehouse has the row.", ("said",)
    ),
    "log_lines_lost": Event(
        "Stderr did not take `lines` before this one, because a disk was full or a reader had ended.", ("lines",)
    ),
    "library_warning": Event("A library logged a warning.", ("logger", "said", "exc_info")),
    "pruned": Event(
        "`task-audit prune --yes` deleted what was older than `before`, and kept done tasks without a finished fact.",
        ("before", "queue", "queue_kept", "counters", "messages", "archive"),
    ),
}
