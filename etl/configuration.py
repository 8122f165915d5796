"""Reads the configuration: defaults, then one TOML file, then mounted secret files, then the environment, then options.

Every value remembers where it came from, and every refusal names the key in full together with that place. The values
themselves never appear in an error.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tomllib import TOMLDecodeError
from typing import Any

from pydantic import SecretStr, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NestedSecretsSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from etl.errors import ConfigurationError
from etl.settings import (
    ApiSettings,
    RunSettings,
    Section,
    SourceSettings,
    TelemetrySettings,
    WarehouseSettings,
    parse_database_url,
)

PREFIX = "TASK_AUDIT_"
CONFIG_VARIABLE = f"{PREFIX}CONFIG"
SECRETS_DIR_VARIABLE = f"{PREFIX}SECRETS_DIR"
MASK = "********"
HARMLESS_QUERY_KEYS = frozenset({"host", "port", "sslmode", "application_name"})

Tree = dict[str, Any]


class Settings(BaseSettings):
    """Everything that can be configured."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    source: SourceSettings = SourceSettings()
    api: ApiSettings = ApiSettings()
    warehouse: WarehouseSettings = WarehouseSettings()
    run: RunSettings = RunSettings()
    telemetry: TelemetrySettings = TelemetrySettings()


@dataclass(frozen=True, slots=True)
class Layer:
    """Values from one place, and how to name a key there."""

    values: Tree
    place: str
    """A pattern with {section} and {key}."""

    def name(self, section: str, key: str) -> str:
        """Name one key of this layer as the user wrote it."""
        return self.place.format(section=section, key=key, SECTION=section.upper(), KEY=key.upper())

    def holds(self, section: str, key: str) -> bool:
        """Say whether this layer sets the key."""
        values = self.values.get(section)
        return (isinstance(values, Mapping) and key in values) or (values is not None and not key)


@dataclass(frozen=True, slots=True)
class Row:
    """One setting for a person to read."""

    section: str
    key: str
    value: str
    origin: str

    @property
    def name(self) -> str:
        """Name the setting in full."""
        return f"{self.section}.{self.key}"


@dataclass(frozen=True, slots=True)
class Configuration:
    """The settings in force, and where each came from."""

    settings: Settings
    layers: tuple[Layer, ...]
    """Lowest precedence first."""

    def rows(self) -> list["Row"]:
        """List every setting, secrets masked."""
        return [
            Row(section, alias, shown(getattr(values, field)), _origin(self.layers, section, alias) or "default")
            for section, values in ((name, getattr(self.settings, name)) for name in Settings.model_fields)
            for field, alias in _keys(type(values))
        ]


def load_configuration(config_file: Path | None = None, options: Tree | None = None) -> Configuration:
    """Read and check the whole configuration.

    Args:
        config_file: the TOML file; by default the one that TASK_AUDIT_CONFIG names, if any.
        options: values of command-line options, as a tree of sections.

    Raises:
        ConfigurationError: a file cannot be read, or a key is unknown or has a wrong value.
    """
    _refuse_unknown_variables()
    named_file = config_file or _path_from_environment(CONFIG_VARIABLE)
    layers = (_file_layer(named_file), _secrets_layer(), _environment_layer(), Layer(options or {}, "the command line"))
    try:
        # Every source was read above, so that each value keeps its origin: the model only validates.
        settings = Settings.model_validate(_merge(layers))
    except ValidationError as error:
        raise _configuration_error(error, layers) from None
    return Configuration(settings, layers)


def shown(value: object) -> str:
    """Format a setting for a person, secrets masked."""
    match value:
        case None:
            return ""
        case SecretStr() if "://" in value.get_secret_value():
            return _shown_url(value)
        case SecretStr():
            return MASK
        case _:
            return str(value)


def _keys(section: type[Section]) -> list[tuple[str, str]]:
    """List the fields of a section and the keys they have in the configuration."""
    return [(name, field.alias or name) for name, field in section.model_fields.items()]


def _shown_url(url: SecretStr) -> str:
    """Show a database URL without its password and without query values, which may be secrets too."""
    parsed = parse_database_url(url)
    query = {name: value if name in HARMLESS_QUERY_KEYS else "..." for name, value in parsed.query.items()}
    return parsed.set(query=query).render_as_string(hide_password=True)


def _path_from_environment(variable: str) -> Path | None:
    value = os.environ.get(variable)
    return Path(value) if value else None


def _file_layer(config_file: Path | None) -> Layer:
    if config_file is None:
        return Layer({}, "")
    if not config_file.is_file():
        raise ConfigurationError(
            f"The configuration file {config_file} does not exist or is not a file.",
            remedy=f"Name an existing file with --config or {CONFIG_VARIABLE}.",
        )
    try:
        values = TomlConfigSettingsSource(Settings, config_file).toml_data
    except TOMLDecodeError as error:
        raise ConfigurationError(f"{config_file} is not valid TOML: {error}.", remedy="Mend the file.") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigurationError(
            f"The configuration file {config_file} cannot be read: {reason}.", remedy="Check it and its permissions."
        ) from None
    return Layer(values, f"[{{section}}] {{key}} in {_literal(config_file)}")


def _secrets_layer() -> Layer:
    directory = _path_from_environment(SECRETS_DIR_VARIABLE)
    if directory is None:
        return Layer({}, "")
    try:
        source = NestedSecretsSettingsSource(
            Settings,  # type: ignore[arg-type]  # the class is accepted, see its __init__
            secrets_dir=directory,
            secrets_dir_missing="error",
            secrets_prefix="",
            secrets_nested_delimiter="__",
        )
        values = source()
    except (SettingsError, OSError) as error:
        raise ConfigurationError(
            f"The secrets directory of {SECRETS_DIR_VARIABLE} cannot be read: {error}.",
            remedy="Mount it, or unset the variable.",
        ) from None
    return Layer(values, f"{_literal(directory)}/{{section}}__{{key}}")


def _environment_layer() -> Layer:
    try:
        values = EnvSettingsSource(Settings)()
    except SettingsError as error:
        raise ConfigurationError(f"The environment is wrong: {error}.", remedy="Mend the variable.") from None
    return Layer(values, f"{PREFIX}{{SECTION}}__{{KEY}}")


def _literal(path: Path) -> str:
    """Keep braces of a path out of the pattern language of ``Layer.place``."""
    return str(path).replace("{", "{{").replace("}", "}}")


def _refuse_unknown_variables() -> None:
    known = {CONFIG_VARIABLE, SECRETS_DIR_VARIABLE}
    sections = tuple(f"{PREFIX}{section.upper()}" for section in Settings.model_fields)
    for variable in os.environ:
        if not variable.startswith(PREFIX) or variable in known:
            continue
        if not variable.startswith(tuple(f"{section}__" for section in sections)) and variable not in sections:
            raise ConfigurationError(
                f"The environment variable {variable} names no setting.",
                remedy=f"Names are {PREFIX}SECTION__KEY; sections: {', '.join(Settings.model_fields)}.",
            )


def _merge(layers: tuple[Layer, ...]) -> Tree:
    merged: Tree = {}
    for layer in layers:
        for section, values in layer.values.items():
            if isinstance(values, Mapping):
                merged[section] = {**merged.get(section, {}), **values}
            else:
                merged[section] = values
    return merged


def _origin(layers: tuple[Layer, ...], section: str, key: str) -> str | None:
    return next((layer.name(section, key) for layer in reversed(layers) if layer.holds(section, key)), None)


def _configuration_error(error: ValidationError, layers: tuple[Layer, ...]) -> ConfigurationError:
    problems = [_problem(details, layers) for details in error.errors(include_input=False, include_url=False)]
    return ConfigurationError(
        "The configuration is wrong: " + "; ".join(problems) + ".",
        remedy="`task-audit config show` lists all keys once this is mended.",
    )


def _problem(details: ErrorDetails, layers: tuple[Layer, ...]) -> str:
    location = [str(part) for part in details["loc"]]
    section, key = location[0], location[1] if len(location) > 1 else ""
    origin = _origin(layers, section, key)
    name = f"{'.'.join(location)} (from {origin})" if origin else f"{'.'.join(location)}"
    if details["type"] == "extra_forbidden":
        return f"{name} is not a setting"
    return f"{name}: {details['msg'].removeprefix('Value error, ')}"
