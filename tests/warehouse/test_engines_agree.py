"""The same observations make the same tables, byte for byte, whatever the engine."""

import json
from datetime import datetime
from functools import partial
from random import Random

from pydantic import SecretStr

from etl.database.connections import open_engine
from etl.observe.messages import Message
from etl.observe.outbox import put
from etl.tasks.failure_reasons import FailureReason

TASKS = 5_000
NIGHTS = 2

ALIKE = [
    "a",
    "A",
    "a ",
    " a",
    "\u00e1",
    "a\u0301",
    "\uff41",
    "ss",
    "\u00df",
    "\u0130",
    "i\u0307",
    "\ufeffa",
    "a\u200b",
    "a\n",
    "a\\",
]
"""Texts that some collation treats as equal."""

HOSTILE = [
    "",
    " ",
    "NULL",
    "\\N",
    "\\.",
    "\x01\x1b\x7f",
    "\r\n",
    "\t",
    '"',
    "'; DROP TABLE fact_task_status; --",
    "%s %(x)s :x ? $1 {x}",
    "\u202eRTL\u202c",
    "\u4ea4\u63a5 \U0001f642 \U0010ffff",
    "a\0b",
    "x" * 70_000,
]


def night(audit, number):
    """Draw the observations of a night, the same for every engine."""
    chance = Random(number)
    outcomes = []
    for index in range(TASKS):
        task_id = str(1_534_087_020_903_704_704 + (chance.randrange(TASKS) << 23))
        minute = number * 1440 + chance.randrange(-60, 60) + chance.random()
        if index % 97 == 0:
            # A run never asks about a text that is no ID.
            odd_id = f"{chance.choice(ALIKE + HOSTILE)}{index % 3}{chance.choice(ALIKE)}"
            outcomes.append(
                audit.failed(
                    minute,
                    task_id=chance.choice([task_id, odd_id]),
                    reason=chance.choice(list(FailureReason)),
                    http_status=chance.choice([404, None]),
                    detail=chance.choice(HOSTILE),
                    error_code=chance.choice([*ALIKE, None]),
                )
            )
            continue
        outcomes.append(
            audit.seen(
                chance.choice([0, 1, 2, 2, 2, 3, "3", 7]),
                minute,
                task_id=task_id,
                task_name=chance.choice([None, f"name {index}", *HOSTILE[: 14 + index % 50 // 49], *ALIKE]),
                task_type=chance.choice([0, "1", None, 9]),
                tenant_id=chance.choice(["d5ac574b", 40086000004871666, None, *ALIKE]),
                user_id=chance.randrange(10**18),
                result_code=chance.choice([None, "", 18000205, "18000301", "c" * 600, *ALIKE]),
                response_message=chance.choice(["success", "Success."]),
                submitted_at=chance.choice([None, audit.at(minute - 90)]),
            )
        )
    return outcomes


def exports_of(url, audit_on):
    engine = open_engine(SecretStr(url), name="the warehouse", create=True)
    audit = audit_on(engine)
    for number in range(NIGHTS):
        run = audit.begin(f"run-{number}", claimed=TASKS)
        outcomes = night(audit, number)
        for start in range(0, TASKS, 2_000):
            run = audit.load(*outcomes[start : start + 2_000], run=run)
        assert run.is_balanced
        messages = [Message(run_id=run.run_id, kind="failed", exit_code=70, host="hôte", text="<é> & \N{PILE OF POO}")]
        audit.warehouse.finish(
            run,
            {("http_status", "200"): TASKS, ("drift", "unknown field é"): 3},
            within=partial(put, messages=messages, now=audit.noon),
        )
    exports = {name: export(rows) for name, rows in audit.tables().items()}
    engine.dispose()
    return exports


def export(rows):
    """Return a table as lines of JSON, in Python's order of text, since every engine has its own."""
    lines = [json.dumps(row, default=datetime.isoformat) for row in rows]
    return "\n".join(sorted(lines)).encode()


def test_identical_exports(tmp_path, server_urls, audit_on):
    urls = [f"duckdb:///{tmp_path}/w.duckdb", f"sqlite:///{tmp_path}/w.sqlite", *server_urls]
    first, *others = (exports_of(url, audit_on) for url in urls)
    for exports in others:
        assert [name for name in first if exports[name] != first[name]] == []
    assert first["fact_task_status_change"].count(b"\n") > first["fact_task_status"].count(b"\n") > TASKS / 2
    assert all(export.count(b"\n") for export in first.values())
