"""`task-audit digest`: tells the last night in a message to the webhook, or on the terminal."""

import time

import click

from etl.cli.context import Context, common_options, pass_context
from etl.cli.output import print_data
from etl.database.clock import clock_of
from etl.error_codes import Code
from etl.errors import ConfigurationError
from etl.jobs.night import compose_digest, night_at
from etl.jobs.opening import open_warehouse
from etl.observe.delivery import send
from etl.observe.outbox import Outbox
from etl.observe.webhook import open_webhook
from etl.receivers import for_terminal
from etl.settings.load import Settings

MAX_SECONDS = 60.0
"""A schedule waits longer for a webhook than a run does."""


@click.command()
@click.option("--print", "is_printed", is_flag=True, help="Print the digest, and send nothing; it needs no webhook.")
@common_options
@pass_context
def digest(context: Context, *, is_printed: bool) -> None:
    """Send the digest of the last night to the webhook, also if all went well or no run began.

    Start it once a morning, after the last run. A night lasts from 18:00 to 18:00 in the time zone of the warehouse.
    It has one digest: if a run has sent it already (notify.digest), the command sends nothing.

    \b
    Example:
      task-audit digest
      task-audit digest --print | mail -s 'task-audit last night' team@example.com
    """
    settings = context.settings()
    if is_printed:
        with open_warehouse(settings.warehouse, read_only=True) as warehouse:
            night = night_at(warehouse.engine, clock_of(warehouse.engine)())
            message = compose_digest(settings, warehouse.engine, night)
        print_data("\n".join(for_terminal(line) for line in message.lines) + "\n")
        return
    click.echo(f"{_send(settings)} sent.")


def _send(settings: Settings) -> int:
    webhook = open_webhook(settings.notify, ca_file=settings.api.ca_file)
    if webhook is None:
        raise ConfigurationError(
            "No webhook is configured.",
            code=Code.SETTING_MISSING,
            remedy="Set notify.webhook_url or notify.webhook_url_file, or use --print.",
        )
    with open_warehouse(settings.warehouse) as warehouse:
        clock = clock_of(warehouse.engine)
        outbox = Outbox(warehouse.engine, clock=clock)
        outbox.put([compose_digest(settings, warehouse.engine, night_at(warehouse.engine, clock()))])
        return send(webhook, outbox, ends_at=time.monotonic() + MAX_SECONDS)
