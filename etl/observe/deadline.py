"""Runs actions in threads within a time limit. An action that fails or hangs neither fails nor delays its caller."""

import time
from collections.abc import Callable, Mapping
from contextvars import copy_context
from threading import Thread

import structlog

from etl.redaction import redact

Action = Callable[[], None]

MAX_REPORTING_SECONDS = 2.0
"""The time that all targets together may add to a run."""

SEND_SECONDS = MAX_REPORTING_SECONDS - 0.3
"""The time limit of one target; the rest is for logging why it failed."""

MAX_ERROR_LENGTH = 300
"""Characters of an error in the log: a server may send a whole page."""

log: structlog.stdlib.BoundLogger = structlog.get_logger()


def within(seconds: float, actions: Mapping[str, Action]) -> None:
    """Run actions at the same time, and leave those behind that take longer than ``seconds``."""
    ends_at = time.monotonic() + seconds
    threads = {name: start(name, action) for name, action in actions.items()}
    for name, thread in threads.items():
        thread.join(max(0.0, ends_at - time.monotonic()))
        if thread.is_alive():
            log.warning("telemetry_failed", target=name, error=f"No answer within {seconds:g} seconds.")


def start(name: str, action: Action) -> Thread:
    """Start an action in a thread that the caller need not join; its error is only logged."""
    # The copied context carries the run's ID into the thread's log lines.
    thread = Thread(target=copy_context().run, args=(_run, name, action), daemon=True)
    thread.start()
    return thread


def _run(name: str, action: Action) -> None:
    try:
        action()
    except Exception as error:  # noqa: BLE001 - a target's failure does not change the verdict of the run
        message = redact(f"{type(error).__name__}: {error}")
        log.warning("telemetry_failed", target=name, error=message[:MAX_ERROR_LENGTH])
