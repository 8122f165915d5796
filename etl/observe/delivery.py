"""Delivers messages about runs by the outbox pattern.

A run writes its messages in the transaction of its own row and then sends them. What it could not send, the next
run sends.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from threading import Event

from sqlalchemy import Connection

from etl.database.clock import clock_of
from etl.errors import UnavailableError
from etl.observe.deadline import within
from etl.observe.messages import Message, messages_of
from etl.observe.outbox import Outbox, news_of, put
from etl.observe.webhook import Webhook
from etl.runs import AuditRun
from etl.settings.notify import NotifySettings
from etl.warehouse.load.batch import Within
from etl.warehouse.load.loader import Warehouse

OpenWarehouse = Callable[[], AbstractContextManager[Warehouse]]


def message_writer(settings: NotifySettings, run: AuditRun, *, pending: int | None) -> Within:
    """Return a function that writes the messages about a finished run, in the transaction that writes its row.

    Args:
        settings: the events that cause a message.
        run: the run, with its exit code.
        pending: the tasks that are still pending; None if that number means nothing for this run.
    """

    def write(connection: Connection) -> None:
        messages = messages_of(run, settings, pending=pending, news=news_of(connection, run))
        put(connection, messages, now=run.finished_at or run.started_at)

    return write


def deliver(webhook: Webhook, open_warehouse: OpenWarehouse, *, unwritten: Sequence[Message], seconds: float) -> None:
    """Send the messages in the outbox, of this run and of others.

    Args:
        webhook: the receiver.
        open_warehouse: opens the warehouse with the outbox. If it fails or takes more than half the time, only
            ``unwritten`` is sent, without the outbox: the warehouse may be what failed.
        unwritten: the messages that the run could not write into the outbox.
        seconds: the time limit for everything together.

    Raises:
        UnavailableError: the webhook did not accept a message.
    """
    ends_at = time.monotonic() + seconds
    opened: list[Outbox] = []
    is_late = Event()
    with ExitStack() as databases:

        def open_outbox() -> None:
            engine = databases.enter_context(open_warehouse()).engine
            outbox = Outbox(engine, clock=clock_of(engine))
            if not is_late.is_set():
                outbox.put(unwritten)
                opened.append(outbox)

        within(seconds / 2, {"the outbox": open_outbox})
        is_late.set()
        if opened:
            send(webhook, opened[0], ends_at=ends_at)
        else:
            for message in unwritten:
                webhook.post(message, seconds=ends_at - time.monotonic())


def send(webhook: Webhook, outbox: Outbox, *, ends_at: float) -> int:
    """Send the messages that no other sender has claimed, until ``ends_at``, and return their number.

    Args:
        webhook: the receiver.
        outbox: the messages.
        ends_at: an instant of the monotonic clock.

    Raises:
        UnavailableError: the webhook did not accept a message. This message and those after it stay in the outbox.
    """
    claimed = outbox.claim()
    for message in claimed:
        try:
            webhook.post(message, seconds=ends_at - time.monotonic())
        except UnavailableError as error:
            outbox.give_back(str(error))
            raise
        outbox.mark_sent(message)
    return len(claimed)
