"""Runs tasks in threads within a time limit; none of them can fail or delay its caller."""

import time
from collections.abc import Callable, Mapping
from contextvars import copy_context
from threading import Thread

import structlog

from etl.redaction import redact

Action = Callable[[], None]

log: structlog.stdlib.BoundLogger = structlog.get_logger()


def within(seconds: float, actions: Mapping[str, Action]) -> None:
    """Do errands at the same time, and leave those behind that take longer; none can fail its caller."""
    ends_at = time.monotonic() + seconds
    threads = {name: start(name, action) for name, action in actions.items()}
    for name, thread in threads.items():
        thread.join(max(0.0, ends_at - time.monotonic()))
        if thread.is_alive():
            log.warning("telemetry_failed", target=name, error=f"No answer within {seconds:g} seconds.")


def start(name: str, action: Action) -> Thread:
    """Start an action in a thread; its caller need not wait, and an error is only logged."""
    # With the run's ID, which its lines carry.
    thread = Thread(target=copy_context().run, args=(_do, name, action), daemon=True)
    thread.start()
    return thread


def _do(name: str, action: Action) -> None:
    try:
        action()
    except Exception as error:  # noqa: BLE001 - whatever is wrong with a target, the run has ended as it has
        log.warning("telemetry_failed", target=name, error=redact(f"{type(error).__name__}: {error}")[:300])
