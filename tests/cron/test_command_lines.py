"""The program accepts the command line of every schedule."""

import shlex

import click
import pytest
import yaml

from etl.cli import cli
from etl.resources import resource

CRON = resource("cron")


def crontab_lines():
    found = [line for line in (CRON / "crontab").read_text().splitlines() if "/bin/task-audit " in line]
    assert len(found) == 2
    return [line.partition("/bin/task-audit ")[2].partition(" >>")[0] for line in found]


def systemd_line():
    (line,) = [
        line for line in (CRON / "systemd/task-audit.service").read_text().splitlines() if line.startswith("ExecStart=")
    ]
    return line.partition("/bin/task-audit ")[2]


def kubernetes_line():
    job = yaml.safe_load((CRON / "kubernetes/base/cronjob.yaml").read_text())
    (container,) = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    return shlex.join(container["args"])


@pytest.mark.parametrize("line", [*crontab_lines(), systemd_line(), kubernetes_line()])
def test_the_program_accepts_the_command_line(line):
    command, *arguments = shlex.split(line)

    with click.Context(cli) as parent:
        cli.get_command(parent, command).make_context(command, arguments, parent=parent)
