"""The reporters that need an extra; their libraries are imported only if a run reports to them."""

from importlib import import_module
from typing import Any

from etl.error_codes import Code
from etl.errors import ConfigurationError


def otlp() -> Any:
    """Import the reporter to an OpenTelemetry collector.

    Raises:
        ConfigurationError: the extra is not installed.
    """
    return _extra("otel", "etl.observe.otlp")


def lineage() -> Any:
    """Import the reporter of lineage.

    Raises:
        ConfigurationError: the extra is not installed.
    """
    return _extra("lineage", "etl.observe.lineage")


def _extra(name: str, module: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        raise ConfigurationError(
            f"What is configured under telemetry needs the extra `{name}`, which is not installed.",
            code=Code.EXTRA_MISSING,
            remedy=f"Install it: pip install 'koodrive-task-audit[{name}]'.",
        ) from error
