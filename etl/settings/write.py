"""Writes configuration files: every key with its meaning from ``settings``, and no secret.

A key that is not set stands in a comment, with its default or else an example. ``python -m etl.settings.write``
prints the example of a production; ``make example`` writes it to configs/production.toml.
"""

import ast
import inspect
import json
import sys
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from shlex import quote

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from etl.database.url import FILES
from etl.settings import model as settings
from etl.settings.load import Settings
from etl.settings.model import ApiSettings, Section

LINE = 118

Values = Mapping[str, Mapping[str, object]]
"""What is set: sections, their keys, and the value of each."""

CHINA_SITE = "https://cn.myhuaweicloud-koodrive.com"

SECRET_FILES: Mapping[str, Mapping[str, str]] = {
    "token": {"token_file": "the access token"},
    "session": {"token_file": "the access token", "session_id_file": "the session ID that came with it"},
    "carrier": {"token_file": "the access token", "refresh_token_file": "the refresh token that came with it"},
    "command": {},
    "app": {"app_secret_file": "the AppSecret"},
}
"""The keys that name a file with a secret, for each kind of authentication, and what the file holds."""

HEAD = """\
Every key, with its default or, where there is none, an example. A line that is commented out shows the default.
Environment variables override this file: TASK_AUDIT_SECTION__KEY, for example TASK_AUDIT_API__MAX_RATE=20.
No secret need stand here. A key ending in _file names a file that holds one, alone, and that nobody else can read
(mode 0600), as this makes it: (umask 077; cat > FILE), then the secret, Enter and Ctrl-D.
Or mount a folder with files named section__key (api__token, source__url, warehouse__url), and name it in
TASK_AUDIT_SECRETS_DIR. What is set there overrides this file too. A secret is to be in one place only."""

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
    """What a first configuration is for."""

    source: str
    """The engine of the pending database."""
    read_only: bool
    """Whether the pending tasks stand in a table of the user's own."""
    warehouse: str
    """The engine of the warehouse."""
    auth: str
    """One of ``SECRET_FILES``."""
    secrets: Path
    """The folder for files with secrets."""

    @property
    def secret_files(self) -> dict[str, Path]:
        """The keys that name a file with a secret, and the files."""
        return {key: self.secrets / key.removesuffix("_file") for key in SECRET_FILES[self.auth]}

    @property
    def values(self) -> Values:
        """What is set; what only the user can know is not."""
        own_table = {"mode": "read_only", "table": "leaver_task", "task_id_column": "task_id"}
        command = {"token_command": _shown(ApiSettings.model_fields["token_command"])}
        return {
            "source": {"url": _url(self.source, "pending"), **(own_table if self.read_only else {})},
            "api": {
                "base_url": CHINA_SITE,
                "auth": "app" if self.auth == "app" else "token",
                **{key: str(file) for key, file in self.secret_files.items()},
                **(command if self.auth == "command" else {}),
            },
            "warehouse": {"url": _url(self.warehouse, "warehouse")},
        }


def next_steps(choices: Choices, file: str) -> Iterator[tuple[str, ...]]:
    """Say what is left to do before the first run: a sentence each, and the commands that do it."""
    keys = ["api.user_id"]
    keys += ["api.app_id"] * (choices.auth == "app") + ["api.token_command"] * (choices.auth == "command")
    keys += ["source.url"] * (choices.source not in FILES) + ["warehouse.url"] * (choices.warehouse not in FILES)
    keys += ["source.table and its columns"] * choices.read_only
    yield (f"Look at {', '.join(keys)} in {file}. A database URL with a password is a secret: see the head there.",)
    for key, secret_file in choices.secret_files.items():
        folder, path = quote(str(secret_file.parent)), quote(str(secret_file))
        yield (
            f"Put {SECRET_FILES[choices.auth][key]} where nobody else can read it; end with Enter and Ctrl-D:",
            f"(umask 077; mkdir -p {folder}; cat > {path})",
        )
    program = f"task-audit --config {quote(file)}"
    yield "Make the tables, and see whether anything is missing:", f"{program} init", f"{program} doctor"
    if not choices.read_only:
        yield "Fill the pending table, from a file or from KooDrive's list:", f"{program} enqueue --from-api --limit 10"
    yield "Try a run that writes nothing:", f"{program} run --limit 10 --dry-run"


def _url(engine: str, name: str) -> str:
    """Write the URL of a database as it is by default, or of one on this machine."""
    return f"{engine}:///{name}.{engine}" if engine in FILES else f"{engine}://task_audit@localhost/task_audit"


def configuration_file(values: Values) -> str:
    """Write a whole file."""
    lines = [*(f"# {line}" for line in HEAD.splitlines()), ""]
    for name, field in Settings.model_fields.items():
        section = type(field.default)
        lines += [f"# {inspect.cleandoc(section.__doc__ or '')}", f"[{name}]"]
        lines += _section(section, values.get(name, {}))
        lines.append("")
    return "\n".join(lines)


def _section(section: type[Section], values: Mapping[str, object]) -> Iterator[str]:
    for name, field in section.model_fields.items():
        key = field.alias or name
        yield from (
            f"# {line}" for line in textwrap.wrap(_meanings()[section.__name__, name], LINE - 2, break_on_hyphens=False)
        )
        mark, value = ("", values[key]) if key in values else ("# ", _shown(field))
        yield f"{mark}{key} = {_literal(value)}"


@cache
def _meanings() -> dict[tuple[str, str], str]:
    """Read the words below each field of each section, which the running program has no other way to know."""
    classes = [each for each in ast.parse(inspect.getsource(settings)).body if isinstance(each, ast.ClassDef)]
    found = {}
    for section in classes:
        for field, words in pairwise(section.body):
            match field, words:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(meaning))):
                    found[section.name, name] = inspect.cleandoc(meaning)
    return found


def _shown(field: FieldInfo) -> object:
    default = field.default
    if default is None:
        return field.examples[0] if field.examples else ""
    return default.get_secret_value() if isinstance(default, SecretStr) else default


def _literal(value: object) -> str:
    """Write a value as TOML, whose texts, numbers and lists are those of JSON but for one character."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


if __name__ == "__main__":
    sys.stdout.write(configuration_file(PRODUCTION))
