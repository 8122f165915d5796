"""`task-audit fake-api`: runs the stand-in KooDrive API in the foreground."""

import asyncio
import signal
from typing import Any

import click
import msgspec

from etl.fake_api import Behaviour, FakeApi, Fault
from etl.fake_api.behaviour import CLOUD_CREDENTIALS_URL
from etl.fake_api.effects import EFFECTS, FOREIGN_PAGES
from etl.fake_api.faults import parse_fault
from etl.fake_api.listing import a_minute_apart


class FaultType(click.ParamType[Fault]):
    """A fault to order, as ``NAME:RATE`` or ``NAME:ID,ID``."""

    name = "fault"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Fault:
        """Read the fault, or end with a usage error that lists the known ones."""
        try:
            name = value.partition(":")[0]
            return parse_fault(value, known_names=FOREIGN_PAGES if name in FOREIGN_PAGES else EFFECTS)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class SecondsPairType(click.ParamType[tuple[float, float]]):
    """Two numbers of seconds with a separator between them."""

    def __init__(self, separator: str) -> None:
        self.name = f"two numbers with {separator!r} between them"
        self._separator = separator

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, float]:
        """Read the two, or end with a usage error."""
        first, _, second = value.partition(self._separator)
        try:
            return float(first), float(second)
        except ValueError:
            self.fail(f"{value!r} is not {self.name}", param, ctx)


@click.command("fake-api", epilog=f"Faults: html_NNN, json_NNN, {', '.join(sorted(EFFECTS))}.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="Port to listen on; 0, the default, is a free one."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Another seed describes other tasks.")
@click.option("--tasks", type=click.IntRange(min=0), default=0, help="Show so many tasks, a minute apart, in the list.")
@click.option("--rate", type=click.IntRange(min=1), help="Requests accepted in any one second; the excess gets 429.")
@click.option("--silent-limit", is_flag=True, help="Leave the limit out of such a 429.")
@click.option("--retry-after", type=click.IntRange(min=0), help="Seconds for such a 429 to say in Retry-After.")
@click.option(
    "--outage",
    "outages",
    type=SecondsPairType("-"),
    multiple=True,
    metavar="A-B",
    help="Be down from second A to second B after the first request; may be repeated.",
)
@click.option(
    "--flap", type=SecondsPairType(","), metavar="UP,DOWN", help="Be up and down for so many seconds in turn."
)
@click.option(
    "--outage-page",
    default="html_503",
    show_default=True,
    metavar="PAGE",
    help="The page that answers while it is down: html_NNN or json_NNN, as a proxy or a login page would.",
)
@click.option("--latency", type=click.FloatRange(min=0), default=0.0, help="Seconds before every answer.")
@click.option("--jitter", type=click.FloatRange(min=0), default=0.0, help="Up to so many more seconds.")
@click.option(
    "--clock-offset", "clock_offset_seconds", type=float, default=0.0, help="Seconds that its clock runs ahead."
)
@click.option("--token", help="The Authorization value to accept; an invented one, not a real secret.")
@click.option("--app-id", help="Accept signatures of this app, made with --app-secret.")
@click.option("--app-secret", help="The app's invented secret. Without a token and an app any value passes.")
@click.option("--token-uses", type=click.IntRange(min=0), help="Requests after which a token must be renewed.")
@click.option("--session-id", help="Renew the token for who sends this, an invented one, to session/refresh.")
@click.option("--refresh-token", help="Renew the token for who sends this, an invented one, to auth/refreshToken.")
@click.option("--fault", "faults", type=FaultType(), multiple=True, metavar="FAULT", help="Misbehave; may be repeated.")
@click.option(
    "--redirect-to",
    default=CLOUD_CREDENTIALS_URL,
    help="Where the fault redirect leads; by default to where a cloud machine finds its own credentials.",
)
@click.option("--progress", is_flag=True, help="Let an unfinished task go on with every ask.")
def fake_api(*, host: str, port: int, tasks: int, latency: float, jitter: float, **behaviour: Any) -> None:
    """Run a stand-in KooDrive API to try things against.

    It knows every task ID, gives the same answers for the same ID and seed, prints its base URL when it is ready, and
    prints what it has seen when it is stopped (Ctrl-C). While it runs, GET /stand-in/stats has the counts and
    POST /stand-in/world changes a task.

    A FAULT is NAME:RATE for a share of the requests (0 to 1), NAME:ID,ID for these tasks, or NAME:list for the list of
    tasks. With xK after it, it strikes only the first K asks of a task, so that asking again helps. The faults html_NNN
    and json_NNN are pages of other servers with the status NNN: 200, or 300 to 599.

    \b
    Example:
      task-audit fake-api --port 8080 --rate 100 --fault http_503:0.1x2 --fault not_found:1534087020903704704
    """
    try:
        task_ids = a_minute_apart(tasks)
        ordered = Behaviour(task_ids=task_ids, latency_seconds=latency, latency_jitter_seconds=jitter, **behaviour)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    try:
        asyncio.run(_serve(FakeApi(ordered, host=host, port=port)))
    except OSError as error:
        raise click.UsageError(f"Cannot listen on {host}:{port}: {error.strerror}.") from error


async def _serve(api: FakeApi) -> None:
    """Serve until the first signal to stop."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with api:
        click.echo(api.base_url)
        await stop.wait()
    click.echo(msgspec.json.encode(api.stats.summary()), err=True)
