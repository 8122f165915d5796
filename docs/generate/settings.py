"""The page of the settings: type, bounds, default and meaning of every key, from ``etl/settings/model.py``."""

from collections.abc import Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from docs.generate.markdown import sentence, table
from etl.settings.load import Settings
from etl.settings.section import Section
from etl.settings.write import docstrings_of

HEAD = """\
# Settings

`make reference` writes this page from the code. Secret files override the TOML file, environment variables override
secret files, and the command line overrides environment variables. The variable of a key is `TASK_AUDIT_` + section +
`__` + key, such as `TASK_AUDIT_API__MAX_RATE`. The file of a secret is `section__key`, such as `api__token`, in the
folder that `TASK_AUDIT_SECRETS_DIR` names. `task-audit config show` prints each value in force and its origin.
"""

KINDS = {str: "text", SecretStr: "secret", Path: "path", bool: "`true` or `false`", int: "integer", float: "number"}


def page() -> str:
    """Describe every section of the settings."""
    sections = ((name, field.annotation) for name, field in Settings.model_fields.items())
    return HEAD + "".join(_section(name, section) for name, section in sections if _is_section(section))


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Section)


def _section(name: str, section: Any) -> str:
    docstrings = docstrings_of(section)
    rows = (
        (f"`{name}.{field.alias or key}`", _kind(field), _default(field), sentence(docstrings[key]))
        for key, field in section.model_fields.items()
    )
    return f"\n## `{name}`\n\n{sentence(section.__doc__)}\n\n{table(('key', 'kind', 'default', 'meaning'), rows)}"


def _kind(field: FieldInfo) -> str:
    return ", ".join([_name(field.annotation), *_bounds(field.metadata)])


def _name(annotation: Any) -> str:
    arguments = [each for each in get_args(annotation) if each not in {NoneType, Ellipsis}]
    match get_origin(annotation):
        case origin if origin is Literal:
            return ", ".join(f"`{each}`" for each in arguments[:-1]) + f" or `{arguments[-1]}`"
        case origin if origin is tuple:
            return f"list of {_name(arguments[0])}"
        case origin if origin in {Annotated, Union, UnionType}:
            return _name(arguments[0])
    return KINDS[annotation]


def _bounds(metadata: list[Any]) -> Iterator[str]:
    for bound in metadata:
        match bound:
            case annotated_types.Ge(ge=number):
                yield f"at least {number:,}"
            case annotated_types.Gt(gt=number):
                yield f"more than {number:,}"
            case annotated_types.Le(le=number):
                yield f"at most {number:,}"


def _default(field: FieldInfo) -> str:
    value = field.default
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    match value:
        case None:
            return ""
        case bool():
            return f"`{str(value).lower()}`"
        case tuple():
            return f"`{list(value)}`"
    return f"`{value}`"
