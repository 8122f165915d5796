"""What every command is given: where the configuration is, and how to log."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from etl.configuration import Configuration, Settings, load_configuration
from etl.telemetry import configure_logs


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The options in front of the command."""

    config_file: Path | None
    log_format: str | None
    verbose: bool

    def configuration(self, options: dict[str, Any] | None = None) -> Configuration:
        """Read the configuration, with options of the command line on top.

        Raises:
            ConfigurationError: it is wrong.
        """
        typed = {"telemetry": {"log_format": self.log_format}} if self.log_format else {}
        configuration = load_configuration(self.config_file, {**typed, **(options or {})})
        configure_logs(configuration.settings.telemetry.log_format, verbose=self.verbose)
        return configuration

    def settings(self, options: dict[str, Any] | None = None) -> Settings:
        """Read the settings in force."""
        return self.configuration(options).settings


pass_context = click.make_pass_decorator(Context)
