"""`task-audit mcp`: offers the questions and more to an assistant, as tools that only read."""

from importlib import import_module
from typing import Any

import click

from etl.cli.context import Context, common_options, pass_context
from etl.error_codes import Code
from etl.errors import ConfigurationError


@click.command()
@common_options
@pass_context
def mcp(context: Context) -> None:
    """Serve read-only tools to an assistant over the Model Context Protocol, on stdin and stdout.

    The tools are the ready-made questions, status, dead letters, error pages and the data dictionary. A client starts
    the command and ends it; what the command logs goes to stderr. Needs the extra `mcp`.

    \b
    Example:
      claude mcp add task-audit -- task-audit --config production.toml mcp
    """
    server = _server()
    settings = context.settings()
    server.serve(settings.model_copy(update={"warehouse": settings.warehouse.for_reading}))


def _server() -> Any:
    try:
        return import_module("etl.assistant.server")
    except ImportError as error:
        raise ConfigurationError(
            "The server for assistants needs the extra `mcp`, which is not installed.",
            code=Code.EXTRA_MISSING,
            remedy="Install it: pip install 'koodrive-task-audit[mcp]'.",
        ) from error
