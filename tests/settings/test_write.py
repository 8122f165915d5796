"""A written configuration can be loaded, holds no secret, and explains every key."""

import re
import tomllib
from itertools import product
from pathlib import Path

import pytest

from etl.settings.checks import SOURCE_ENGINES, WAREHOUSE_ENGINES
from etl.settings.load import Settings, load_configuration
from etl.settings.write import PRODUCTION, SECRET_FILES, Choices, configuration_file, next_steps

ALL = [
    Choices(source=source, read_only=read_only, warehouse=warehouse, auth=auth, secrets=Path("/run/secrets"))
    for source, read_only, warehouse, auth in product(
        SOURCE_ENGINES, (False, True), WAREHOUSE_ENGINES, tuple(SECRET_FILES)
    )
]


def uncommented(text):
    return tomllib.loads(re.sub(r"^# ([a-z0-9_]+ = )", r"\1", text, flags=re.MULTILINE))


def test_a_written_file_loads_with_the_choices_it_was_made_from(tmp_path):
    file = tmp_path / "new.toml"
    for choices in ALL:
        file.write_text(configuration_file(choices.values), encoding="utf-8")
        settings = load_configuration(file).settings
        assert settings.source.url.get_secret_value().startswith(choices.source)
        assert settings.warehouse.url.get_secret_value().startswith(choices.warehouse)
        assert settings.source.mode == ("read_only" if choices.read_only else "queue")
        assert settings.api.auth == ("app" if choices.auth == "app" else "token")
        files = {key: getattr(settings.api, key) for key in SECRET_FILES[choices.auth]}
        assert files == choices.secret_files
        assert (settings.api.token_command is not None) == (choices.auth == "command")


def test_no_secret_is_written():
    secrets = ("token", "session_id", "refresh_token", "app_secret", "s3_secret_access_key", "webhook_url")
    for choices in ALL:
        text = configuration_file(choices.values)
        assert not re.search(rf"^({'|'.join(secrets)}) =", text, re.MULTILINE)
        assert not re.search(r"^url = .*:[^/]*@", text, re.MULTILINE)


def test_a_file_has_every_key_with_its_default_and_its_meaning():
    text = configuration_file({})
    shown = uncommented(text)
    for name, section in Settings.model_fields.items():
        for field_name, field in type(section.default).model_fields.items():
            key = field.alias or field_name
            default = getattr(section.default, field_name)
            value = shown[name].pop(key)
            if hasattr(default, "get_secret_value"):
                default = default.get_secret_value()
            assert default is None or value == (list(default) if isinstance(default, tuple) else default), key
            (above,) = re.findall(
                rf"^(.*)\n# {key} = ", text.partition(f"[{name}]")[2].partition("\n\n")[0], re.MULTILINE
            )
            assert re.match("# .*[.]$", above), key
        assert shown[name] == {}
    assert all(len(line) <= 120 for line in text.splitlines())


NEEDED = {
    "source": {"mode": "read_only"},
    "api": {"client_certificate_file": "client.pem"},
    "archive": {"location": "s3://task-audit/answers"},
    "notify.dingtalk_secret_file": {"format": "dingtalk"},
}
"""Some keys, and keys of some sections, are valid only together with another one."""


def test_every_example_is_a_valid_value():
    shown = uncommented(configuration_file(PRODUCTION))
    for name, section in Settings.model_fields.items():
        for key, value in shown[name].items():
            others = NEEDED.get(f"{name}.{key}") or NEEDED.get(name, {})
            if value != "":
                type(section.default).model_validate(others | {key: value})


@pytest.mark.parametrize("text", ['a"b\\c', "ü\x7f\x00\n", "C:\\new", "😀"])
def test_any_text_is_escaped(text):
    written = configuration_file({"api": {"token_file": text}})
    assert tomllib.loads(written)["api"] == {"token_file": text}


def test_the_next_steps_name_the_secrets_and_the_values_that_are_missing():
    for choices in ALL:
        steps = "\n".join("\n".join((step.sentence, *step.commands)) for step in next_steps(choices, "a b.toml"))
        assert all(str(file) in steps for file in choices.secret_files.values())
        assert "task-audit --config 'a b.toml' doctor" in steps
        assert ("api.app_id" in steps) == (choices.auth == "app")
        assert ("source.url" in steps) == (choices.source != "sqlite")
        assert ("enqueue" in steps) == (not choices.read_only)
