"""Holds the options that every command has: the configuration file and the form of the log."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar, get_args

import click

from etl.settings.names import CONFIG_VARIABLE, LogFormat

if TYPE_CHECKING:
    from etl.settings.load import Configuration, Settings

P = ParamSpec("P")
R = TypeVar("R")
Decorated = TypeVar("Decorated", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The options that every command has."""

    config_file: Path | None
    log_format: LogFormat | None
    verbose: bool | None

    def configuration(self, options: dict[str, Any] | None = None) -> "Configuration":
        """Read the configuration, with options of the command line on top.

        Raises:
            ConfigurationError: the configuration is wrong.
        """
        # The help of a command needs neither, and both take long to import.
        from etl.observe.logs import configure_logs  # noqa: PLC0415
        from etl.settings.load import load_configuration  # noqa: PLC0415

        typed = {"telemetry": {"log_format": self.log_format}} if self.log_format else {}
        configuration = load_configuration(self.config_file, {**typed, **(options or {})})
        log_format = configuration.settings.telemetry.log_format
        configure_logs(log_format, verbose=bool(self.verbose))
        _options(click.get_current_context())["log_format"] = log_format
        return configuration

    def settings(self, options: dict[str, Any] | None = None) -> "Settings":
        """Read the settings in force."""
        return self.configuration(options).settings

    @staticmethod
    def note(message: str) -> None:
        """Say on stderr what is no data: a line for a person, an event in a log of JSON."""
        if _options(click.get_current_context()).get("log_format") == "json":
            import structlog  # noqa: PLC0415 - no other command line needs it here

            log: structlog.stdlib.BoundLogger = structlog.get_logger()
            log.info("note", said=message)
        else:
            click.echo(message, err=True)


def common_options(command: Decorated) -> Decorated:
    """Give a command the common options; a user may write them before or after the name of the command."""
    for option in (
        click.option(
            "--config",
            "config_file",
            type=click.Path(path_type=Path),
            expose_value=False,
            callback=_remember,
            help=f"The TOML file to read; by default the one that {CONFIG_VARIABLE} names.",
        ),
        click.option(
            "--log-format",
            type=click.Choice(get_args(LogFormat)),
            expose_value=False,
            callback=_remember,
            help="Lines for a person or JSON; auto is JSON unless on a terminal.",
        ),
        click.option("-v", "--verbose", is_flag=True, expose_value=False, callback=_remember, help="Log more."),
    ):
        command = option(command)
    return command


def pass_context(function: Callable[Concatenate[Context, P], R]) -> Callable[P, R]:
    """Hand a command its context as the first argument."""

    @wraps(function)
    def with_context(*arguments: P.args, **options: P.kwargs) -> R:
        given = _options(click.get_current_context())
        names = ("config_file", "log_format", "verbose")
        return function(Context(**{name: given.get(name) for name in names}), *arguments, **options)

    return with_context


def _remember(context: click.Context, parameter: click.Parameter, value: object) -> None:
    if value:
        _options(context)[parameter.name or ""] = value


def _options(context: click.Context) -> dict[str, Any]:
    """Return the common options; ``main`` reads them to report the error that ended the command."""
    return context.ensure_object(dict)
