"""`task-audit plan`: calculates what a run would do, without asking KooDrive."""

from dataclasses import asdict
from datetime import datetime, timedelta

import click

from etl.cli.context import Context, common_options, pass_context
from etl.cli.options import require_shards, selection_options
from etl.cli.output import open_console, print_json
from etl.cli.types import Duration
from etl.jobs.plan import make_plan
from etl.report.plan_text import print_plan
from etl.runs import RunRequest
from etl.tasks import Selection, Shard


@click.command()
@selection_options
@click.option("--max-duration", type=Duration(), help="Say whether the run would fit into this time, e.g. 2h or 90m.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@common_options
@pass_context
def plan(
    context: Context,
    *,
    since: datetime | None,
    until: datetime | None,
    limit: int | None,
    refetch: bool,
    recheck: bool,
    shard: Shard | None,
    max_duration: timedelta | None,
    as_json: bool,
) -> None:
    """Count what a run would ask about, by day and state, and say how long it would take; changes nothing.

    \b
    Example:
      task-audit plan --since 2026-11-01 --until 2026-11-07
      task-audit plan --refetch --json | jq .at_allowed_rate.ends_at
    """
    settings = context.settings({"run": {"deadline_seconds": max_duration.total_seconds()}} if max_duration else {})
    require_shards(shard, settings.source)
    selection = Selection(since=since, until=until, refetch=refetch, recheck=recheck, shard=shard)
    made = make_plan(settings, RunRequest(selection=selection, tasks=limit))
    if as_json:
        days = [{**asdict(day), "due": day.due} for day in made.days]
        print_json({**asdict(made), "days": days, "fits": made.fits})
    else:
        print_plan(made, console=open_console())
