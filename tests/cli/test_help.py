"""The help of every command explains its options, and its examples can be typed."""

import os
import re
import shlex
import subprocess
import sys

import click
import pytest

from etl.cli import cli
from tests import processes


def every_command(command, path=()):
    context = click.Context(command, info_name=path[-1] if path else "task-audit")
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            yield from every_command(command.get_command(context, name), (*path, name))
    else:
        yield path, command


COMMANDS = dict(every_command(cli))


def examples(command):
    _, _, after = command.help.partition("Example:\n")
    return [found[1] for line in after.splitlines() if (found := re.search(r"task-audit (.*)", line))]


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_an_example_can_be_typed(path):
    shown = examples(COMMANDS[path])
    assert shown
    for example in shown:
        words = [word for word in shlex.split(re.split(r" [|>]", example)[0]) if not word.startswith("TASK_AUDIT_")]
        while words[0].startswith("-"):
            # Common options may stand before the command.
            words = words[2:]
        assert tuple(words[: len(path)]) == path
        command = COMMANDS[path]
        command.make_parser(click.Context(command)).parse_args(words[len(path) :])


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_option_is_explained(path):
    for parameter in COMMANDS[path].params:
        assert isinstance(parameter, click.Argument) or parameter.help, parameter.name


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_commands(shell, tmp_path):
    def completed(what, **words):
        variables = {"_TASK_AUDIT_COMPLETE": f"{shell}_{what}", "PATH": "/usr/bin:/bin", **words}
        done = processes.start([], folder=tmp_path, environment=variables)
        assert done.wait(timeout=60) == 0, done.printed()
        return done.printed()[0]

    assert "_TASK_AUDIT_COMPLETE" in completed("source")
    # Fish passes the word itself, and the other shells pass its number.
    words = {"COMP_WORDS": "task-audit dead-", "COMP_CWORD": "dead-" if shell == "fish" else "1"}
    assert "dead-letters" in completed("complete", **words)


def test_a_run_imports_no_more_than_it_needs():
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys; import etl.cli.run; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert not {"jinja2", "vl_convert", "etl.fake_api.server", "etl.cli.report", "aiohttp.web"} & set(loaded)


@pytest.mark.slow
def test_a_run_without_tasks_that_prints_json_waits_for_no_library_of_requests_frames_and_tables(night_of):
    with night_of() as night:
        loaded = libraries("--log-format=json", "run", "--limit=1", "--json")
        assert night.rows("SELECT outcome, claimed FROM audit_run") == [("succeeded", 0)]
        assert {"aiohttp", "alembic", "polars", "pygments", "rich"}.isdisjoint(loaded)


def test_the_list_of_commands_is_as_the_commands_say(task_audit):
    printed = " ".join(task_audit("--help").stdout.split())
    for path, command in {name: cli.get_command(None, name) for name in cli.list_commands(None)}.items():
        assert f" {path} {command.get_short_help_str(1_000)[:40]}" in printed


IMPORTED = """
import sys

before = set(sys.modules)
from etl.__main__ import main

sys.argv = ["task-audit", *sys.argv[1:]]
try:
    main()
except SystemExit as ended:
    assert not ended.code, ended.code
libraries = {name.partition(".")[0] for name in set(sys.modules) - before} - sys.stdlib_module_names
print(*sorted(libraries), sep=" ", file=sys.stderr)
"""


def libraries(*arguments, **variables):
    """Return the libraries that a command has imported at its end."""
    words = [sys.executable, "-c", IMPORTED, *arguments]
    ended = subprocess.run(words, env=os.environ | variables, capture_output=True, text=True, check=True)
    return set(ended.stderr.splitlines()[-1].split())


@pytest.mark.slow
def test_the_help_and_the_version_import_no_library_but_click():
    assert libraries("--help") == libraries("--version") == {"click", "etl"}
    completing = {"_TASK_AUDIT_COMPLETE": "bash_complete", "COMP_WORDS": "task-audit ", "COMP_CWORD": "1"}
    assert libraries(**completing) == {"click", "etl"}


@pytest.mark.slow
@pytest.mark.parametrize("command", ["status", "plan", "query last_runs"])
def test_a_command_that_counts_waits_for_no_library_that_it_does_not_use(night_of, command):
    heavy = {"aiohttp", "alembic", "jinja2", "opentelemetry", "openlineage", "polars", "prometheus_client", "tenacity"}
    with night_of():
        assert libraries(*command.split()) & heavy == set()
