"""Every secret in a file follows one rule, whatever setting names the file."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from etl.errors import ConfigurationError
from etl.redaction import MASK, redact
from etl.settings.secret_files import load_secret


def refuse(_secret):
    raise ValueError("is not an address")


def test_a_secret_in_a_setting_loses_its_white_space():
    assert load_secret(SecretStr(" s3cret\n"), None, setting="api.token").get_secret_value() == "s3cret"


def test_a_secret_in_a_file_loses_its_white_space_and_is_masked(tmp_path):
    file = tmp_path / "secret"
    file.write_text("one-line-0nly \n", encoding="utf-8")

    assert load_secret(None, file, setting="api.app_secret").get_secret_value() == "one-line-0nly"
    assert redact("says one-line-0nly") == f"says {MASK}"


def test_without_a_setting_and_a_file_there_is_no_secret():
    assert load_secret(None, None, setting="api.token") is None


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "does not hold one line of printable ASCII"),
        (b"CANARY-1\nCANARY-2", "does not hold one line of printable ASCII"),
        ("CANARY-\u4ea4".encode(), "does not hold one line of printable ASCII"),
        (b"CANARY-\xff", "is not UTF-8"),
        (b"CANARY-3", "is not an address"),
        (None, "cannot be read: No such file or directory"),
    ],
)
@pytest.mark.parametrize("setting", ["api.token", "archive.s3_secret_access_key", "notify.webhook_url"])
def test_a_file_without_a_usable_secret_is_rejected_and_not_shown(tmp_path, setting, content, problem):
    file: Path = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(ConfigurationError) as caught:
        load_secret(None, file, setting=setting, check=refuse)

    assert caught.value.message == f"{setting}_file: {file} {problem}."
    assert "CANARY" not in str(caught.value)
