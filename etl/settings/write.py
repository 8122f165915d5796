"""Writes configuration files: every key with the docstring that it has in ``model``, and no secret.

A key that is not set is commented out, with its default or else an example. ``python -m etl.settings.write``
prints a configuration for production, which ``make example`` writes to configs/production.toml.
"""

import ast
import inspect
import json
import sys
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from shlex import quote

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from etl.database.engines import engine_named
from etl.settings.load import Settings
from etl.settings.model import ApiSettings
from etl.settings.section import Section

MAX_LINE_LENGTH = 118
"""Characters of a line in a written file."""

Values = Mapping[str, Mapping[str, object]]
"""The keys that are set, by section, with their values."""

CHINA_SITE = "https://cn.myhuaweicloud-koodrive.com"

SECRET_FILES: Mapping[str, Mapping[str, str]] = {
    "token": {"token_file": "the access token"},
    "session": {"token_file": "the access token", "session_id_file": "the session ID that came with it"},
    "carrier": {"token_file": "the access token", "refresh_token_file": "the refresh token that came with it"},
    "command": {},
    "app": {"app_secret_file": "the AppSecret"},
}
"""The keys that name a file with a secret, by kind of authentication, and what each file holds."""

HEAD = """\
Every key. A line that is commented out shows the default or, if there is none, an example.
Environment variables override this file: TASK_AUDIT_SECTION__KEY, for example TASK_AUDIT_API__MAX_RATE=20.
This file need not contain a secret. A key that ends in _file names a file with one secret, which only the user of the
job should be able to read (mode 0600). To create it, run (umask 077; cat > FILE), type the secret, Enter and Ctrl-D.
Or mount a folder with files named section__key (api__token, source__url, warehouse__url), and name the folder in
TASK_AUDIT_SECRETS_DIR. These files override this file, too. Keep each secret in one place only."""

PRODUCTION: Values = {
    "source": {"url": "postgresql://task_audit@db.internal/operations"},
    "api": {
        "base_url": CHINA_SITE,
        "user_id": "1505084218764547200",
        "auth": "app",
        "app_id": "a378331eca141163119eb602adb67b7802cc79cd33ba44c7d2fe61d1586c96a1",
        "app_secret_file": "/run/secrets/task-audit/app_secret",
    },
    "warehouse": {"url": "postgresql://task_audit@db.internal/operations", "schema": "task_audit"},
    "run": {"deadline_seconds": 21600},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """The answers that a new configuration is made from."""

    source: str
    """The engine of the pending database."""
    read_only: bool
    """Whether the pending tasks are in a table of the user."""
    warehouse: str
    """The engine of the warehouse."""
    auth: str
    """One of ``SECRET_FILES``."""
    secrets: Path
    """The folder for files with secrets."""

    @property
    def secret_files(self) -> dict[str, Path]:
        """The files with secrets, by the key that names each."""
        return {key: self.secrets / key.removesuffix("_file") for key in SECRET_FILES[self.auth]}

    @property
    def values(self) -> Values:
        """The values that follow from the choices; the user adds the others."""
        users_table = {"mode": "read_only", "table": "leaver_task", "task_id_column": "task_id"}
        command = {"token_command": _shown(ApiSettings.model_fields["token_command"])}
        return {
            "source": {"url": _url(self.source, "pending"), **(users_table if self.read_only else {})},
            "api": {
                "base_url": CHINA_SITE,
                "auth": "app" if self.auth == "app" else "token",
                **{key: str(file) for key, file in self.secret_files.items()},
                **(command if self.auth == "command" else {}),
            },
            "warehouse": {"url": _url(self.warehouse, "warehouse")},
        }


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the installation."""

    sentence: str
    commands: tuple[str, ...] = ()


def next_steps(choices: Choices, file: str) -> Iterator[Step]:
    """Yield the steps before the first run."""
    keys = ["api.user_id"]
    keys += ["api.app_id"] * (choices.auth == "app") + ["api.token_command"] * (choices.auth == "command")
    keys += [
        f"{section}.url" for section in ("source", "warehouse") if not engine_named(getattr(choices, section)).is_file
    ]
    keys += ["source.table and its columns"] * choices.read_only
    yield Step(
        f"Look at {', '.join(keys)} in {file}. The comment at its top explains where a URL with a password belongs."
    )
    for key, secret_file in choices.secret_files.items():
        folder, path = quote(str(secret_file.parent)), quote(str(secret_file))
        yield Step(
            f"Put {SECRET_FILES[choices.auth][key]} into a file that only you can read; end with Enter and Ctrl-D:",
            (f"(umask 077; mkdir -p {folder}; cat > {path})",),
        )
    program = f"task-audit --config {quote(file)}"
    yield Step("Create the tables, and check the installation:", (f"{program} init", f"{program} doctor"))
    if not choices.read_only:
        yield Step(
            "Fill the pending table, from a file or from KooDrive's list of tasks:",
            (f"{program} enqueue --from-api --limit 10",),
        )
    yield Step("Try a run that writes nothing:", (f"{program} run --limit 10 --dry-run",))


def _url(engine: str, name: str) -> str:
    """Return the default URL of an embedded database, or the URL of a server on this machine."""
    return (
        f"{engine}:///{name}.{engine}"
        if engine_named(engine).is_file
        else f"{engine}://task_audit@localhost/task_audit"
    )


def configuration_file(values: Values) -> str:
    """Return the text of a configuration file."""
    lines = [*(f"# {line}" for line in HEAD.splitlines()), ""]
    for name, field in Settings.model_fields.items():
        section = type(field.default)
        lines += [f"# {inspect.cleandoc(section.__doc__ or '')}", f"[{name}]"]
        lines += _section(section, values.get(name, {}))
        lines.append("")
    return "\n".join(lines)


def docstrings_of(section: type[Section]) -> dict[str, str]:
    """Read the docstrings below the fields of a section, by the fields' names.

    pydantic can read them with ``use_attribute_docstrings``, but it does so at the start of every command, where this
    was a tenth of all function calls.
    """
    (definition,) = ast.parse(inspect.getsource(section)).body
    assert isinstance(definition, ast.ClassDef)  # noqa: S101 - for the type checker
    docstrings: dict[str, str] = {}
    for statements in pairwise(definition.body):
        match statements:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                docstrings[name] = inspect.cleandoc(text)
    return docstrings


def _section(section: type[Section], values: Mapping[str, object]) -> Iterator[str]:
    docstrings = docstrings_of(section)
    for name, field in section.model_fields.items():
        key = field.alias or name
        lines = textwrap.wrap(docstrings[name], MAX_LINE_LENGTH - 2, break_on_hyphens=False)
        yield from (f"# {line}" for line in lines)
        mark, value = ("", values[key]) if key in values else ("# ", _shown(field))
        yield f"{mark}{key} = {_literal(value)}"


def _shown(field: FieldInfo) -> object:
    default = field.default
    if default is None:
        return field.examples[0] if field.examples else ""
    return default.get_secret_value() if isinstance(default, SecretStr) else default


def _literal(value: object) -> str:
    """Write a value as TOML, which differs from JSON in one character for texts, numbers and lists."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


if __name__ == "__main__":
    sys.stdout.write(configuration_file(PRODUCTION))
