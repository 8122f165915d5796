"""Tells a webhook of runs through the outbox: written with the run's row, sent after it, otherwise by the next run."""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from threading import Event

from sqlalchemy import Connection

from etl.database.clock import clock_of
from etl.errors import UnavailableError
from etl.observe.deadline import within
from etl.observe.messages import Notice, notices_of
from etl.observe.outbox import Outbox, new_codes, put
from etl.observe.webhook import Webhook
from etl.runs import AuditRun
from etl.settings.model import NotifySettings
from etl.warehouse.load.batch import Within
from etl.warehouse.load.loader import Warehouse

OpenWarehouse = Callable[[], AbstractContextManager[Warehouse]]


def announcing(settings: NotifySettings, run: AuditRun, *, pending: int | None) -> Within:
    """Make what writes the messages about a run that has ended, in the transaction that writes its row.

    Args:
        settings: what somebody wants to hear of.
        run: with its exit code.
        pending: tasks that are still pending, where that says something about this run.
    """

    def announce(connection: Connection) -> None:
        found = new_codes(connection, run)
        notices = notices_of(run, settings, pending=pending, new_codes=found)
        put(connection, notices, now=run.finished_at or run.started_at)

    return announce


def deliver(webhook: Webhook, open_warehouse: OpenWarehouse, about: Sequence[Notice], *, seconds: float) -> None:
    """Send what the outbox holds, of this run and of others.

    Args:
        webhook: where to.
        open_warehouse: opens the one with the outbox. Where it cannot, or takes half the time, ``about`` is sent past
            it: the warehouse may be what failed.
        about: messages that the run could not write itself.
        seconds: for everything together.

    Raises:
        UnavailableError: a message was not taken.
    """
    ends_at = time.monotonic() + seconds
    reached: list[Outbox] = []
    is_late = Event()
    with ExitStack() as databases:

        def reach() -> None:
            engine = databases.enter_context(open_warehouse()).engine
            outbox = Outbox(engine, clock=clock_of(engine))
            if not is_late.is_set():
                outbox.put(about)
                reached.append(outbox)

        within(seconds / 2, {"the outbox": reach})
        is_late.set()
        if reached:
            send(webhook, reached[0], ends_at=ends_at)
        else:
            for notice in about:
                webhook.post(notice, seconds=ends_at - time.monotonic())


def send(webhook: Webhook, outbox: Outbox, *, ends_at: float) -> int:
    """Send what nobody else is sending, until an instant of the monotonic clock; returns how many messages.

    Raises:
        UnavailableError: a message was not taken. It stays in the outbox, as do those after it.
    """
    claimed = outbox.claim()
    for notice in claimed:
        try:
            webhook.post(notice, seconds=ends_at - time.monotonic())
        except UnavailableError as error:
            outbox.give_back(str(error))
            raise
        outbox.mark_sent(notice)
    return len(claimed)
