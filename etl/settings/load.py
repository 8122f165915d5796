"""Loads the configuration: defaults, one TOML file, mounted secret files, the environment, and command-line options.

A later source overrides an earlier one. Each value keeps its origin, and each error names the key in full with that
origin. No error contains a value.
"""

import os
import tomllib
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NestedSecretsSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from etl.crash_points import VARIABLE as CRASH_VARIABLE
from etl.crash_points import require_known_point
from etl.database.url import parse_database_url, render_url
from etl.error_codes import Code
from etl.errors import ConfigurationError
from etl.redaction import MASK, redact, remember
from etl.settings.export import ExportSettings
from etl.settings.layers import Layer, Tree, layer_of, literal, merge, origin_of
from etl.settings.model import (
    ApiSettings,
    ArchiveSettings,
    RunSettings,
    SourceSettings,
    TelemetrySettings,
    WarehouseSettings,
)
from etl.settings.names import CONFIG_VARIABLE, PREFIX, SECRETS_DIR_VARIABLE
from etl.settings.notify import NotifySettings
from etl.settings.secret_values import secrets_in, secrets_in_variables
from etl.settings.section import Section

DATABASE_URLS = ("url", "read_url")
"""The keys of database URLs, of which only the secret parts are masked."""

TOKEN_COMMAND = "token_command"  # noqa: S105 - the name of a setting


class Settings(BaseSettings):
    """The whole configuration."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True, hide_input_in_errors=True
    )

    source: SourceSettings = SourceSettings()
    api: ApiSettings = ApiSettings()
    warehouse: WarehouseSettings = WarehouseSettings()
    run: RunSettings = RunSettings()
    archive: ArchiveSettings = ArchiveSettings()
    export: ExportSettings = ExportSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    notify: NotifySettings = NotifySettings()


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One setting as text."""

    section: str
    key: str
    value: str
    origin: str
    place: str

    @property
    def name(self) -> str:
        """The name of the setting, with its section."""
        return f"{self.section}.{self.key}"


@dataclass(frozen=True, slots=True)
class Configuration:
    """The settings in force, and the origin of each."""

    settings: Settings
    layers: tuple[Layer, ...]
    """The layers in ascending precedence; the first is the file."""
    file: Path | None = None
    """The TOML file, if one was named."""

    def rows(self) -> list[SettingRow]:
        """List every setting, with secrets masked."""
        return [
            self._row(section, key, getattr(values, name))
            for section, values in ((name, getattr(self.settings, name)) for name in Settings.model_fields)
            for name, key in _keys(type(values))
        ]

    def _row(self, section: str, key: str, value: object) -> SettingRow:
        layer = layer_of(self.layers, section=section, key=key)
        origin, place = (layer.name(section, key), layer.place) if layer else ("default", "defaults")
        return SettingRow(section, key, shown(key, value), origin, place)


def load_configuration(config_file: Path | None = None, options: Tree | None = None) -> Configuration:
    """Load and check the whole configuration.

    Args:
        config_file: the TOML file; by default the file that TASK_AUDIT_CONFIG names, if any.
        options: the values of command-line options, by section.

    Raises:
        ConfigurationError: a file cannot be read, or a key is unknown or has a wrong value.
    """
    remember(*secrets_in_variables(os.environ))
    _refuse_unknown_variables()
    require_known_point()
    named_file = config_file or _path_from_environment(CONFIG_VARIABLE)
    typed = Layer(options or {}, "the command line", "the command line")
    layers = (_file_layer(named_file), _secrets_layer(), _environment_layer(), typed)
    for layer in layers:
        remember(*secrets_in(Settings, layer.values))
    try:
        # The model only validates: the sources were read above, so that each value keeps its origin.
        settings = Settings.model_validate(merge(layers))
    except ValidationError as error:
        raise _configuration_error(error, layers) from None
    return Configuration(settings, layers, named_file)


def shown(key: str, value: object) -> str:
    """Return a setting as text, with secrets masked."""
    match value:
        case None:
            return ""
        case SecretStr() if key in DATABASE_URLS:
            return redact(render_url(parse_database_url(value)))
        case SecretStr():
            return MASK
        case (program, *arguments) if key == TOKEN_COMMAND:
            # An argument may be the token of a vault.
            return " ".join([str(program), *(MASK for _ in arguments)])
        case _:
            return str(value)


def _keys(section: type[Section]) -> list[tuple[str, str]]:
    """List the fields of a section, each with its key in the configuration."""
    return [(name, field.alias or name) for name, field in section.model_fields.items()]


def _path_from_environment(variable: str) -> Path | None:
    value = os.environ.get(variable)
    return Path(value) if value else None


def _file_layer(config_file: Path | None) -> Layer:
    if config_file is None:
        return Layer({}, "", "")
    try:
        # Editors on Windows write a byte order mark at the start.
        values = tomllib.loads(config_file.read_text(encoding="utf-8-sig"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(
            f"{config_file} is not valid TOML: {error}.", code=Code.CONFIGURATION_UNREADABLE, remedy="Fix the file."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "It is not UTF-8"
        raise ConfigurationError(
            f"The configuration file {config_file} cannot be read: {reason}.",
            code=Code.CONFIGURATION_UNREADABLE,
            remedy=f"Name a readable file with --config or {CONFIG_VARIABLE}.",
        ) from None
    return Layer(values, f"[{{section}}] {{key}} in {literal(config_file)}", str(config_file))


def _secrets_layer() -> Layer:
    directory = _path_from_environment(SECRETS_DIR_VARIABLE)
    if directory is None:
        return Layer({}, "", "")
    try:
        _refuse_unknown_secrets(directory)
        source = NestedSecretsSettingsSource(
            Settings,  # type: ignore[arg-type]  # the class is accepted, see its __init__
            secrets_dir=directory,
            secrets_prefix="",
            secrets_nested_delimiter="__",
        )
        values = source()
    except (SettingsError, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigurationError(
            f"The secrets directory {directory} cannot be read: {reason}.",
            code=Code.CONFIGURATION_UNREADABLE,
            remedy=f"Mount it, or unset {SECRETS_DIR_VARIABLE}.",
        ) from None
    return Layer(values, f"{literal(directory)}/{{section}}__{{key}}", str(directory))


def _environment_layer() -> Layer:
    return Layer(EnvSettingsSource(Settings)(), f"{PREFIX}{{SECTION}}__{{KEY}}", "the environment")


def _refuse_unknown_variables() -> None:
    known = {CONFIG_VARIABLE, SECRETS_DIR_VARIABLE, CRASH_VARIABLE}
    for variable in os.environ:
        name = variable.upper()
        if name.startswith(PREFIX) and name not in known and not _names_a_section(name.removeprefix(PREFIX)):
            raise ConfigurationError(
                f"The environment variable {variable} names no setting.",
                code=Code.SETTING_WRONG,
                remedy=f"Names are {PREFIX}SECTION__KEY; sections: {', '.join(Settings.model_fields)}.",
            )


def _refuse_unknown_secrets(directory: Path) -> None:
    """Refuse a file that looks like a setting but is none; the directory may contain other files."""
    for file in directory.iterdir():
        if "__" in file.name and not file.name.startswith(".") and not _names_a_section(file.name):
            raise ConfigurationError(
                f"The secret file {file} names no setting.",
                code=Code.SETTING_WRONG,
                remedy=f"Names are section__key; sections: {', '.join(Settings.model_fields)}.",
            )


def _names_a_section(name: str) -> bool:
    section, separator, _ = name.lower().partition("__")
    return bool(separator) and section in Settings.model_fields


def _configuration_error(error: ValidationError, layers: tuple[Layer, ...]) -> ConfigurationError:
    problems = [_problem(details, layers) for details in error.errors(include_input=False, include_url=False)]
    return ConfigurationError(
        "The configuration is wrong: " + "; ".join(problems) + ".",
        code=Code.SETTING_WRONG,
        remedy="`task-audit config show` lists all keys once this is fixed.",
    )


def _problem(details: ErrorDetails, layers: tuple[Layer, ...]) -> str:
    location = [str(part) for part in details["loc"]]
    section, key = location[0], location[1] if len(location) > 1 else ""
    message = details["msg"].removeprefix("Value error, ")
    keys = [key] if key else details.get("ctx", {}).get("keys", ())
    origins = dict.fromkeys(origin_of(layers, section=section, key=each) for each in keys)
    # The origin of an error about a section is that of the keys that do not fit together, or else that of the section.
    known = list(filter(None, origins)) or list(filter(None, [origin_of(layers, section=section, key="")]))
    name = f"{'.'.join(location)} (from {', '.join(known)})" if known else ".".join(location)
    return f"{name} is not a setting" if details["type"] == "extra_forbidden" else f"{name}: {message}"
