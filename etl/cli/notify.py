"""`task-audit notify`: sends messages about runs to a webhook."""

import time
from datetime import UTC, datetime

import click

from etl.cli.context import Context, common_options, pass_context
from etl.database.clock import clock_of
from etl.error_codes import Code
from etl.errors import ConfigurationError
from etl.jobs.opening import open_warehouse
from etl.observe.delivery import send
from etl.observe.messages import message_about
from etl.observe.outbox import Outbox
from etl.observe.webhook import open_webhook
from etl.runs import begin_run
from etl.tasks import Selection

MAX_SECONDS = 60.0
"""A person waits longer for a webhook than a run does."""


@click.command()
@click.option("--test", "is_test", is_flag=True, help="Send one message to try the webhook, and nothing else.")
@common_options
@pass_context
def notify(context: Context, *, is_test: bool) -> None:
    """Send the messages about runs that the webhook has not accepted yet.

    Every run does so at its end, for two seconds at most. Use this command after you have fixed the webhook.

    \b
    Example:
      task-audit notify --test
      task-audit notify
    """
    settings = context.settings()
    webhook = open_webhook(settings.notify, ca_file=settings.api.ca_file)
    if webhook is None:
        raise ConfigurationError(
            "No webhook is configured.",
            code=Code.SETTING_MISSING,
            remedy="Set notify.webhook_url or notify.webhook_url_file.",
        )
    if is_test:
        run = begin_run(Selection(), max_rate=settings.api.max_rate, now=datetime.now(UTC))
        webhook.post(
            message_about(run, "test", text="This is a test. Messages about runs come this way."),
            seconds=MAX_SECONDS,
        )
        click.echo("The webhook has accepted a test message.")
        return
    with open_warehouse(settings.warehouse) as warehouse:
        outbox = Outbox(warehouse.engine, clock=clock_of(warehouse.engine))
        sent = send(webhook, outbox, ends_at=time.monotonic() + MAX_SECONDS)
    click.echo(f"{sent:,} sent.")
