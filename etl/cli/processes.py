"""Does one night by several runs side by side on this machine, each in a process of its own.

The runs share tasks and rate by the database, as runs on several machines do. This process only starts them, hands
signals on to them, and sums up what they did. If it is killed, the runs go on.
"""

import asyncio
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from math import ceil
from operator import attrgetter
from pathlib import Path

import click
import msgspec
import structlog

from etl.cli.context import Context
from etl.cli.ended_run import print_row, show_summary
from etl.cli.signals import DIED_BY_SIGNAL
from etl.database.engines import engine_of
from etl.database.url import parse_database_url
from etl.exit_codes import ExitCode, worst
from etl.runs import AuditRun, FinishedRun, RunRequest
from etl.settings.load import Settings
from etl.tasks import WaitingTasks

MAX_PROCESSES = 64

PROGRAM_FOLDER = Path(__file__).parents[2]

log: structlog.stdlib.BoundLogger = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class PrintedRun(AuditRun):
    """The row of a run as ``run --json`` prints it."""

    waiting: WaitingTasks | None = None
    """The open tasks that are due again later."""


@dataclass(frozen=True, slots=True)
class EndedProcess:
    """A process that has ended."""

    code: int
    """Its exit code, or the negative number of the signal that killed it."""
    printed: bytes

    @property
    def exit_code(self) -> ExitCode:
        """The exit code that counts: a process that a signal has ended leaves tasks pending."""
        if self.code < 0 or self.was_interrupted:
            return ExitCode.STOPPED
        return ExitCode(self.code) if self.code in set(ExitCode) else ExitCode.BUG

    @property
    def was_interrupted(self) -> bool:
        """Whether a second signal has ended it."""
        return self.code in {DIED_BY_SIGNAL + signal.SIGINT, DIED_BY_SIGNAL + signal.SIGTERM}


def _require_side_by_side(settings: Settings, request: RunRequest) -> None:
    """Check that several runs can work side by side.

    Raises:
        UsageError: they cannot.
    """
    if request.dry_run:
        raise click.UsageError("--processes is not for --dry-run: dry runs would all ask about the same tasks.")
    if request.selection.shard:
        raise click.UsageError("--processes gives each run its part of the tasks: leave out --shard.")
    urls = {"warehouse.url": settings.warehouse.url}
    if settings.source.mode == "queue":
        urls["source.url"] = settings.source.url
    for setting, url in urls.items():
        engine = engine_of(parse_database_url(url))
        if engine.is_file:
            raise click.UsageError(
                f"--processes needs databases on a server, such as PostgreSQL: {setting} is a file of {engine.name}, "
                "which one process alone can write to."
            )


def run_side_by_side(
    context: Context,
    settings: Settings,
    *,
    request: RunRequest,
    processes: int,
    seconds: float | None,
    as_json: bool,
) -> int:
    """Start the runs, wait for all of them, and report them as one night.

    Args:
        context: the options that every command has.
        settings: the configuration, which each run reads again.
        request: the tasks to audit; their limit is divided.
        processes: the number of runs; with a limit, at most as many as tasks.
        seconds: the time after which each run ends cleanly.
        as_json: whether to print the sums and the rows of the runs on stdout.

    Returns:
        The exit code: the worst one of the runs, in the order of ``WORST_FIRST``.

    Raises:
        UsageError: the runs cannot work side by side.
    """
    _require_side_by_side(settings, request)
    commands = _commands(context, settings, request=request, processes=processes, seconds=seconds)
    ended = asyncio.run(_run_all(commands))
    exit_code = worst({process.exit_code for process in ended})
    printed = sorted(
        (msgspec.json.decode(process.printed, type=PrintedRun) for process in ended if process.printed),
        key=attrgetter("finished_at"),
    )
    if printed:
        run, waiting = _sum(printed, exit_code, mode=settings.source.mode), printed[-1].waiting
        finished = FinishedRun(run=run, ended_by=None, waiting=waiting)
        show_summary(finished, log_format=settings.telemetry.log_format, dry_run=False)
        if as_json:
            print_row({**asdict(run), "waiting": waiting, "runs": printed})
    return max((process.code for process in ended if process.was_interrupted), default=int(exit_code))


def _commands(
    context: Context, settings: Settings, *, request: RunRequest, processes: int, seconds: float | None
) -> list[list[str]]:
    """Write the command line of each run."""
    selection, limit = request.selection, request.tasks
    common = {
        "--config": context.config_file,
        "--log-format": context.log_format,
        "--since": selection.since and selection.since.isoformat(),
        "--until": selection.until and selection.until.isoformat(),
        "--max-duration": seconds and f"{max(1, ceil(seconds))}s",
    }
    flags = {"--verbose": context.verbose, "--refetch": selection.refetch, "--recheck": selection.recheck}
    options = [f"{name}={value}" for name, value in common.items() if value is not None]
    options += [name for name, is_set in flags.items() if is_set]
    # A folder that has an `etl` of its own, and that this program was not started from, must not take its place.
    isolation = [] if Path.cwd() == PROGRAM_FOLDER else ["-P"]
    program = [sys.executable, *isolation, "-m", "etl", "run", "--json", "--is-one-of-several", *options]
    number = min(processes, limit or processes)
    parts = [[f"--limit={limit // number + (each < limit % number)}"] if limit else [] for each in range(number)]
    if settings.source.mode == "read_only":
        # Runs on the job's own queue share all of it; here each needs its part.
        parts = [[*part, f"--shard={each}/{number}"] for each, part in enumerate(parts)]
    return [[*program, *part] for part in parts]


async def _run_all(commands: Sequence[Sequence[str]]) -> list[EndedProcess]:
    processes: list[Process] = []
    received: list[signal.Signals] = []

    def hand_on(number: signal.Signals) -> None:
        received.append(number)
        for process in processes:
            if process.returncode is None:
                process.send_signal(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, hand_on, number)
    for command in commands:
        if not received:
            process = await asyncio.create_subprocess_exec(*command, stdin=DEVNULL, stdout=PIPE)
            processes.append(process)
            if received:
                # The signal came while the process was started.
                process.send_signal(received[0])
    ended = await asyncio.gather(*map(_ended, processes))
    return [*ended, *(EndedProcess(-received[0], b"") for _ in commands[len(processes) :])]


async def _ended(process: Process) -> EndedProcess:
    printed, _ = await process.communicate()
    code = process.returncode or 0
    if code < 0:
        log.error("process_died", pid=process.pid, signal=signal.Signals(-code).name)
    return EndedProcess(code, printed)


def _sum(runs: Sequence[AuditRun], exit_code: ExitCode, *, mode: str) -> AuditRun:
    """Make one row of the rows of all runs, which are ordered by their ends."""
    counts = {
        field.name: sum(getattr(run, field.name) for run in runs)
        for field in fields(AuditRun)
        if "meaning" in field.metadata
    }
    return replace(
        runs[0],
        run_id=f"{len(runs)} runs",
        started_at=min(run.started_at for run in runs),
        finished_at=runs[-1].finished_at,
        outcome=exit_code.outcome,
        exit_code=int(exit_code),
        # A run of a part of the tasks also has a part of the rate; the others share all of it.
        max_rate=sum(run.max_rate for run in runs) if mode == "read_only" else runs[0].max_rate,
        error=next((run.error for run in runs if run.exit_code == exit_code), None),
        **counts,
    )
