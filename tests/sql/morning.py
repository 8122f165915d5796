"""A small history made by hand. It is the morning of 3 November, 07:00 UTC."""

from datetime import UTC, datetime, timedelta

from etl.warehouse.tables import METADATA

NEW, EXECUTING, SUCCESS, FAILED = range(4)


def at(day, hour=0, minute=0):
    """An instant of November."""
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC)


NOW = at(3, 7)
OCTOBER = datetime(2026, 10, 19, 8, tzinfo=UTC)
LONG_AGO = datetime(2020, 1, 7, tzinfo=UTC)
THE_NIGHT_BEFORE, LAST_NIGHT = at(2, 3), at(3, 3)

# task, type, tenant, submitted; then each change that was seen: when, status, code, run
HISTORY = [
    ("1", 0, "ant", OCTOBER, [(OCTOBER + timedelta(hours=30), SUCCESS, None, "run-0")]),
    ("2", 0, "ant", OCTOBER, [(OCTOBER + timedelta(hours=20), FAILED, "100", "run-0")]),
    ("3", 0, "ant", at(1, 12), [(THE_NIGHT_BEFORE, FAILED, "100", "run-1")]),
    ("4", 0, "bee", at(1, 13), [(THE_NIGHT_BEFORE, NEW, None, "run-1"), (LAST_NIGHT, FAILED, "100", "run-2")]),
    ("5", 0, "bee", at(2, 13), [(LAST_NIGHT, FAILED, "200", "run-2")]),
    ("6", 0, "bee", at(2, 14), [(LAST_NIGHT, FAILED, "200", "run-2")]),
    ("7", 9, None, at(2, 15), [(LAST_NIGHT, FAILED, None, "run-2")]),
    ("8", 0, "ant", at(2, 16, 30), [(LAST_NIGHT, SUCCESS, None, "run-2")]),
    ("9", None, "ant", at(2, 17), [(LAST_NIGHT, EXECUTING, None, "run-2"), (at(3, 13), SUCCESS, None, "run-4")]),
    ("13", 0, "ant", LONG_AGO, [(at(3, 14), NEW, None, "run-4")]),
]
LETTERS = [
    {"task_id": "50", "reason": "not_found", "first_failed_at": at(1, 3), "last_failed_at": at(3, 3)},
    {"task_id": "51", "reason": "not_found", "first_failed_at": at(3, 3), "last_failed_at": at(3, 3)},
    {"task_id": "52", "reason": "exhausted", "first_failed_at": OCTOBER, "last_failed_at": OCTOBER},
    {
        "task_id": "1",
        "reason": "bad_payload",
        "first_failed_at": OCTOBER + timedelta(hours=2),
        "last_failed_at": OCTOBER + timedelta(hours=4),
        "resolved_at": OCTOBER + timedelta(hours=30),
    },
]
WHOLE = {"claimed": 2, "audited": 1, "changed": 1, "dead_lettered": 1}
RUNS = [
    {"run_id": "run-0", "started_at": OCTOBER, "finished_at": OCTOBER, "outcome": "stopped", "exit_code": 75},
    {"run_id": "run-1", "started_at": at(2, 2), "finished_at": at(2, 4), "outcome": "dead_letters", "exit_code": 65}
    | WHOLE,
    {"run_id": "run-2", "started_at": at(3, 2), "finished_at": at(3, 4), "outcome": "stopped", "exit_code": 75}
    | WHOLE
    | {"claimed": 4, "released": 2, "error": "The deadline came."},
    {"run_id": "run-3", "started_at": at(3, 5), "finished_at": None, "outcome": "running", "exit_code": None},
    {"run_id": "run-4", "started_at": at(3, 6), "finished_at": at(3, 6), "outcome": "succeeded", "exit_code": 0},
]
QUEUE = {
    "1": "done",
    "2": "done",
    "3": "done",
    "4": "pending",
    "5": "done",
    "6": "done",
    "7": "done",
    "9": "pending",
    "10": "done",
    "11": "pending",
    "12": "dead",
    "50": "dead",
    "51": "pending",
}
COUNTERS = [column.name for column in METADATA.tables["audit_run"].columns if str(column.type) == "BIGINT"]


def history_rows():
    changes, facts = [], []
    for task_id, task_type, tenant_id, submitted_at, seen in HISTORY:
        status, code = None, None
        for observed_at, new_status, new_code, run_id in seen:
            changes.append(
                {
                    "task_id": task_id,
                    "observed_at": observed_at,
                    "previous_status": status,
                    "status": new_status,
                    "previous_result_code": code,
                    "result_code": new_code,
                    "run_id": run_id,
                }
            )
            status, code = new_status, new_code
        facts.append(
            {
                "task_id": task_id,
                "task_name": f"task {task_id}",
                "task_type": task_type,
                "tenant_id": tenant_id,
                "status": status,
                "result_code": code,
                "submitted_at": submitted_at,
                "submitted_at_source": "queue",
                "first_seen_at": seen[0][0],
                "status_changed_at": seen[-1][0],
                "last_checked_at": seen[-1][0],
                "run_id": seen[-1][3],
            }
        )
    return {"fact_task_status": facts, "fact_task_status_change": changes}


def all_rows():
    yield from history_rows().items()
    yield "dim_task_type", [{"task_type": 9, "task_type_name": "UNKNOWN(9)"}]
    yield (
        "dim_result_code",
        [
            {"result_code": "100", "title": "Disk full", "action": "Make room.", "is_documented": True}
            | {"first_seen_at": OCTOBER + timedelta(hours=20)},
            {"result_code": "200", "title": None, "action": None, "is_documented": False, "first_seen_at": LAST_NIGHT},
        ],
    )
    yield "dim_tenant", [{"tenant_id": "ant", "tenant_name": "Ant Ltd."}, {"tenant_id": "bee", "tenant_name": None}]
    letter = {"detail": "HTTP 404", "attempts": 1, "run_id": "run-1", "resolved_at": None}
    yield "dead_letter", [letter | row for row in LETTERS]
    run = dict.fromkeys(COUNTERS, 0) | {"max_rate": 50, "version": "1", "host": "host", "error": None}
    yield "audit_run", [run | row for row in RUNS]
    counted = [("http_status", "200", 9), ("http_status", "503", 1), ("drift", "unknown field ownerName", 2)]
    yield (
        "audit_run_counter",
        [{"run_id": "run-1", "counter": counter, "name": name, "number": n} for counter, name, n in counted],
    )
