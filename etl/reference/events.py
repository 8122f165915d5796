"""The events of the log: their names, levels and fields are read from the sources, their meanings stand here."""

import ast
from collections.abc import Iterator
from pathlib import Path

from etl.reference.markdown import table
from etl.resources import PACKAGE

HEAD = """\
# Log events

Made from the code by `make reference`. Each line of the log on stderr is one event: for a person on a terminal, else
as JSON with `event`, `level`, `timestamp` and these fields. Their names are stable.

"""

MEANINGS = {
    "acknowledged_for_dead_runs": "Tasks that a killed run had loaded but not acknowledged are settled.",
    "batch_loaded": "A batch is committed in the warehouse.",
    "bug": "Something happened that nobody foresaw; the traceback follows, and the run ends with 70.",
    "clock_corrected": "The API's Date is far from this machine's clock; requests are signed by the API's.",
    "credentials_refused": "The API refuses the credentials; they are read or renewed once more.",
    "database_stumbled": "A database undid a transaction; it is done again.",
    "deferred_pass": "What the API did not answer the first time is asked once more.",
    "drift": "Answers differ from what KooDrive documents; the run's counters say in what.",
    "file_replayed": "A file of the archive is in the warehouse.",
    "leases_left_to_expire": "Tasks could not be given back; they are free when their leases end.",
    "leases_lost": "Another run has taken over tasks of this one, whose leases had ended.",
    "paused": "The API throttles, or fails too often; nothing is asked for so many seconds.",
    "rate_changed": "The run goes slower or faster: requests per second.",
    "resumed": "A pause is over.",
    "run_finished": "The run has ended; its row says how.",
    "run_planned": "What the run is about to ask, and when it would end.",
    "run_row_not_written": "The end of the run could not be written; its row stays `running`.",
    "run_started": "The run has begun, and has a row.",
    "telemetry_failed": "Somebody who is told of a run does not take it. The exit code stays as it is.",
    "waiting_for_another_run": "All due tasks are held by another run; this one waits in case that one dies.",
    "waiting_for_lock": "Another process holds the file of a database.",
}


def page() -> str:
    """Describe every event."""
    rows: dict[str, tuple[str, set[str]]] = {}
    for name, level, fields in sorted(events()):
        rows.setdefault(name, (level, set()))[1].update(fields)
    told = ((f"`{name}`", level, ", ".join(sorted(fields)), MEANINGS[name]) for name, (level, fields) in rows.items())
    return HEAD + table(("event", "level", "fields", "meaning"), told)


def events() -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Find name, level and fields of whatever the program logs."""
    for file in PACKAGE.rglob("*.py"):
        yield from _events_of(file)


def _events_of(file: Path) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Name("log"), attr=level),
                args=[ast.Constant(str(name))],
                keywords=fields,
            ):
                # What is spread has no names in the source.
                names = (f"`{each.arg}`" if each.arg else "…" for each in fields if each.arg != "exc_info")
                yield name, "error" if level == "exception" else level, tuple(names)
