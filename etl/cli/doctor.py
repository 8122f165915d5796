"""`task-audit doctor`: checks everything that a run needs."""

import sys
from dataclasses import asdict

import click
from rich.console import Console
from rich.text import Text

from etl.cli.context import Context, common_options, pass_context
from etl.cli.output import print_json
from etl.errors import ConfigurationError
from etl.jobs.doctor import Finding, State, examine, verdict
from etl.jobs.doctor.finding import failed
from etl.receivers import for_terminal

STYLES = {State.OK: "green", State.WARNING: "yellow", State.FAILURE: "red"}
WIDTH = max(map(len, STYLES))


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list of objects.")
@common_options
@pass_context
def doctor(context: Context, *, as_json: bool) -> None:
    """Check everything that a run needs, and print one line each with the remedy; changes nothing.

    The command connects to the databases and calls the API once, to check credentials and clocks. The exit code is that
    of the worst failure, as a run would end with it; warnings do not count.

    \b
    Example:
      task-audit doctor
      task-audit --config production.toml doctor --json | jq -r '.[] | select(.state != "ok") | .said'
    """
    console = Console(soft_wrap=True)
    findings = []
    try:
        for finding in examine(context.configuration()):
            findings.append(finding)
            if not as_json:
                _print(finding, console)
    except ConfigurationError as error:
        findings.append(failed("settings", error))
        if not as_json:
            _print(findings[-1], console)
    if as_json:
        print_json([asdict(finding) for finding in findings])
    sys.exit(verdict(findings))


def _print(finding: Finding, console: Console) -> None:
    line = Text(f"{finding.state:<{WIDTH}}", style=STYLES[finding.state])
    line.append(for_terminal(f"  {finding.subject}: {finding.said}"), style="default")
    if finding.remedy:
        line.append(for_terminal(f" {finding.remedy}"), style="bold")
    if finding.code:
        line.append(f" [{finding.code}]", style="dim")
    console.print(line)
