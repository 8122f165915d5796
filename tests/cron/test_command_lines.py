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


def systemd_lines():
    units = [path.read_text() for path in (CRON / "systemd").glob("*.service")]
    found = [line for unit in units for line in unit.splitlines() if line.startswith("ExecStart=")]
    assert len(found) == 2
    return [line.partition("/bin/task-audit ")[2] for line in found]


def kubernetes_lines():
    jobs = [
        yaml.safe_load((CRON / "kubernetes" / name).read_text())
        for name in ["base/cronjob.yaml", "overlays/digest/digest.yaml"]
    ]
    pods = [job["spec"]["jobTemplate"]["spec"]["template"]["spec"] for job in jobs]
    return [shlex.join(container["args"]) for pod in pods for container in pod["containers"]]


@pytest.mark.parametrize("line", [*crontab_lines(), *systemd_lines(), *kubernetes_lines()])
def test_the_program_accepts_the_command_line(line):
    command, *arguments = shlex.split(line)

    with click.Context(cli) as parent:
        cli.get_command(parent, command).make_context(command, arguments, parent=parent)
