"""Makes the page of the commands from their help."""

from collections.abc import Iterator

import click

from etl.cli import cli

WIDTH = 80

HEAD = """\
# Commands

`make reference` writes this page from the code: the output of `task-audit COMMAND --help`. Commands write data to
stdout and everything else to stderr, and report success or failure by their [exit code](exit-codes.md).
"""


def page() -> str:
    """Return the help of every command, in the order of `task-audit --help`."""
    root = click.Context(cli, info_name="task-audit", terminal_width=WIDTH, **cli.context_settings)
    return HEAD + "".join(_section(context) for context in _with_subcommands(root))


def _with_subcommands(context: click.Context) -> Iterator[click.Context]:
    yield context
    if isinstance(group := context.command, click.Group):
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            if command:
                yield from _with_subcommands(
                    click.Context(command, parent=context, info_name=name, terminal_width=WIDTH)
                )


def _section(context: click.Context) -> str:
    return f"\n## `{context.command_path}`\n\n```text\n{context.get_help()}\n```\n"
