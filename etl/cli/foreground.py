"""Does a run in the foreground: it stops on signals and in time, and shows its progress."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from etl.cli.progress import show_progress
from etl.cli.signals import GO_ON, stop_on_signals
from etl.error_codes import Code
from etl.errors import StoppedError
from etl.jobs.audit import ProgressHook, RunHooks, run_job
from etl.jobs.reporters import RunReporters
from etl.run.pipeline import Pipeline
from etl.runs import FinishedRun, RunRequest
from etl.settings.load import Settings

T = TypeVar("T")


def run_async(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on the fastest event loop that is installed, and leave the handlers of signals as they were.

    uvloop leaves its own handlers behind, which would ignore each signal after the end of the loop.
    """
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(main)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return what makes a loop of uvloop, which the extra ``fast`` installs; None stands for Python's own loop."""
    try:
        import uvloop  # noqa: PLC0415 - this module is there without it
    except ModuleNotFoundError:
        return None
    return uvloop.new_event_loop


async def run_until_stopped(
    settings: Settings,
    request: RunRequest,
    *,
    seconds: float | None,
    progress: ProgressHook | None = None,
    reporters: RunReporters | None = None,
) -> FinishedRun:
    """Run until every task is done, the time is up, or a signal arrives."""
    shutdown = stop_on_signals()
    if seconds is not None:
        time_is_up = StoppedError("The time for this run is up.", code=Code.STOPPED_BY_TIME, remedy=GO_ON)
        asyncio.get_running_loop().call_later(seconds, shutdown.request, time_is_up)
    reporters = reporters or RunReporters(settings, request)
    hooks = RunHooks(
        progress=progress, begin=reporters.begin, note_written=reporters.note_written, trace=reporters.trace
    )
    return await run_job(settings, request, shutdown=shutdown, hooks=hooks)


def watch_progress(pipeline: Pipeline, total: int | None) -> None:
    """Show a progress bar until the event loop ends."""
    show_progress(lambda: (pipeline.answered, pipeline.record.run.throttled), total=total)
