import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from etl.errors import ConfigurationError, CredentialsRefusedError
from etl.koodrive.credentials import load_credentials
from etl.koodrive.signature import RequestToSign, sign
from etl.redaction import MASK
from etl.settings.model import ApiSettings
from etl.shutdown import Shutdown

NOW = datetime(2024, 9, 9, 3, 33, 30, 999_999, tzinfo=UTC)
PATH = "/koodrive/ose/v1/task/1534087020903704704"
APP = {"auth": "app", "app_id": "a378331e", "user_id": "1505084218764547200"}


def loading(**settings):
    return load_credentials(ApiSettings(**settings), host="127.0.0.1:8080", session_api=None, shutdown=Shutdown())


def credentials(**settings):
    return asyncio.run(loading(**settings))


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("abc", "Bearer abc"),
        ("Bearer abc", "Bearer abc"),
        ("AT abc", "AT abc"),
        (" abc\n", "Bearer abc"),
        ("Bearer abc \n", "Bearer abc"),
    ],
)
@pytest.mark.parametrize("place", ["setting", "file"])
def test_a_token_gets_a_scheme_unless_it_has_one(token, expected, place, tmp_path):
    (tmp_path / "token").write_text(token)
    given = {"token": SecretStr(token)} if place == "setting" else {"token_file": tmp_path / "token"}
    headers = credentials(**given).headers(PATH, NOW)
    assert headers == {"Authorization": expected, "X-Date": "20240909T033325Z"}


def test_a_token_can_be_sent_with_a_user():
    headers = credentials(token="abc", user_id="1505084218764547200").headers(PATH, NOW)
    assert headers["X-User-Id"] == "1505084218764547200"


def test_an_app_signs_host_date_and_user():
    headers = credentials(app_secret="s3cret", **APP).headers(PATH, NOW)
    named = {"X-Date": "20240909T033325Z", "X-User-Id": "1505084218764547200"}
    signed = {"Host": "127.0.0.1:8080", **named}
    assert headers == {
        "Authorization": sign(RequestToSign(raw_path=PATH, headers=signed), app_id="a378331e", app_secret="s3cret"),
        **named,
    }


@pytest.mark.parametrize("place", ["app_secret", "app_secret_file"])
def test_a_line_break_after_a_secret_is_ignored(place, tmp_path):
    (tmp_path / "secret").write_text("s3cret\n")
    given = {"app_secret": SecretStr("s3cret\n"), "app_secret_file": tmp_path / "secret"}[place]
    assert credentials(**APP, **{place: given}).headers(PATH, NOW) == credentials(**APP, app_secret="s3cret").headers(
        PATH, NOW
    )


def test_the_date_changes_every_second():
    token = credentials(token="abc")
    later = NOW.replace(second=31, microsecond=0)
    assert [token.headers(PATH, now)["X-Date"] for now in (NOW, later, NOW)] == [
        "20240909T033325Z",
        "20240909T033326Z",
        "20240909T033325Z",
    ]


@pytest.mark.parametrize(
    ("settings", "missing"),
    [
        ({}, r"api\.token, api\.token_file or api\.token_command"),
        ({"auth": "app"}, r"api\.app_id"),
        ({**APP, "app_id": None, "app_secret": "s"}, r"api\.app_id"),
        (APP, r"api\.app_secret or api\.app_secret_file"),
        ({**APP, "user_id": None, "app_secret": "s"}, r"api\.user_id"),
    ],
)
def test_a_missing_setting_is_named(settings, missing):
    with pytest.raises(ConfigurationError, match=rf"^\[setting-missing\] {missing} is not set") as caught:
        credentials(**settings)
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "No such file"),
        (b"", "not hold one line"),
        (b" \n\n", "not hold one line"),
        (b"abc\ndef\n", "not hold one line"),
        (b"abc\0", "printable ASCII"),
        ("schlüssel".encode(), "printable ASCII"),
        (b"\xff\xfe", "not UTF-8"),
    ],
)
@pytest.mark.parametrize("key", ["token_file", "app_secret_file"])
def test_a_file_without_a_usable_secret_is_rejected(content, complaint, key, tmp_path):
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=complaint) as caught:
        credentials(**(APP if key == "app_secret_file" else {}), **{key: path})
    assert str(caught.value).startswith(f"[secret-unreadable] api.{key}: {path}")


def test_a_folder_is_not_a_secret_file(tmp_path):
    with pytest.raises(ConfigurationError, match="Is a directory"):
        credentials(token_file=tmp_path)


def test_an_unreadable_file_is_rejected(tmp_path, monkeypatch):
    def refuse(*_arguments, **_keywords):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(ConfigurationError, match=r"api\.token_file: .* cannot be read: Permission denied"):
        credentials(token_file=tmp_path / "token")


@pytest.mark.parametrize("token", ["t0k3n-1", "Bearer t0k3n-1", "AT t0k3n-1", "Bearer t0k3n-1 "])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Bearer t0k3n-1 expired", f"Bearer {MASK} expired"),
        ("t0k3n-1", MASK),
        ("t0k3n-1,t0k3n-1", f"{MASK},{MASK}"),
        ("nothing of it", "nothing of it"),
    ],
)
def test_a_token_is_masked(token, text, expected):
    assert credentials(token=token).secrets.redact(text) == expected


def test_a_secret_and_its_signatures_are_masked():
    app = credentials(app_secret=" s3cret", **APP)
    authorization = app.headers(PATH, NOW)["Authorization"]
    shown = app.secrets.redact(f"{authorization} made with s3cret")
    assert shown == f"{authorization.rpartition('=')[0]}={MASK} made with {MASK}"


def test_no_representation_shows_a_secret():
    for shown in (credentials(token="t0k3n-1"), credentials(app_secret="s3cret", **APP)):
        assert "t0k3n-1" not in repr(shown)
        assert "s3cret" not in repr(shown)


def test_a_renewal_reads_the_token_file_again(tmp_path):
    file = tmp_path / "token"
    file.write_text("0ld-t0k3n")
    token = credentials(token_file=file)
    file.write_text("AT n3w-t0k3n")
    asyncio.run(token.renew())
    assert token.headers(PATH, NOW)["Authorization"] == "AT n3w-t0k3n"
    assert token.secrets.redact("0ld-t0k3n n3w-t0k3n") == f"{MASK} {MASK}"


def test_a_token_in_the_settings_is_not_renewed():
    token = credentials(token="abc")
    asyncio.run(token.renew())
    assert token.headers(PATH, NOW)["Authorization"] == "Bearer abc"


def printing(*lines, code=0):
    """Return a command that prints the next of these lines each time it runs, without a shell."""
    program = f"""import pathlib, sys
count = pathlib.Path(sys.argv[1])
number = int(count.read_text()) if count.exists() else 0
count.write_text(str(number + 1))
print({lines!r}[number])
sys.exit({code})"""
    return sys.executable, "-c", program


def test_a_command_prints_the_token(tmp_path):
    command = (*printing("f1rst", "Bearer s3cond"), str(tmp_path / "$HOME; count"))

    async def renewing():
        token = await loading(token_command=command)
        assert token.headers(PATH, NOW)["Authorization"] == "Bearer f1rst"
        await token.renew()
        assert token.headers(PATH, NOW)["Authorization"] == "Bearer s3cond"

    asyncio.run(renewing())


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        (("/no/such/command",), "cannot be run: No such file"),
        (printing("s3cret", code=3), "ended with 3"),
        (printing(""), "gave no access token"),
        (printing("two\nlines"), "gave no access token on one line"),
        (printing("schl\u00fcssel"), "gave no access token"),
    ],
)
def test_a_command_that_prints_no_token_is_rejected(command, complaint, tmp_path):
    with pytest.raises(CredentialsRefusedError, match=complaint) as caught:
        credentials(token_command=(*command, str(tmp_path / "count")))
    assert "s3cret" not in str(caught.value)
