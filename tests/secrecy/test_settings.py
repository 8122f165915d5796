"""Wrong settings, files and commands that hold a secret: no error shows it, and no other process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.canary import CORE, secret, sightings
from tests.repeating_api import HONEST, REPEATING_TASKS
from tests.secrecy.installation import PASSWORD


@pytest.mark.parametrize("said", ["exit 1", "echo", "echo; echo two lines", "exec /no/such/program"])
def test_a_command_that_fails_and_says_the_token(installed, configure, monkeypatch, tmp_path, said):
    command = tmp_path / "token-command"
    command.write_text(f"#!/bin/sh\necho '{secret('command')}' >&2\nprintf '%s' '{secret('command')}'\n{said}\n")
    command.chmod(0o700)
    monkeypatch.delenv("TASK_AUDIT_API__TOKEN")
    configure(api__token_command=f'["{command}"]')
    Path("ids.txt").write_text(HONEST, encoding="utf-8")
    installed.run("enqueue", "--file", "ids.txt")

    assert installed.run("run", "-v").exit_code in {0, 77}
    installed.run("doctor")

    assert sightings(installed.places()) == []


WRONG = {
    "not a URL": {"source__url": f"postgresql:/u:{PASSWORD}@h"},
    "not an engine": {"warehouse__url": f"oracle://u:{PASSWORD}@h/d"},
    "not a driver": {"warehouse__url": f"postgresql+{CORE}://u:{PASSWORD}@h/d"},
    "an @ in a password": {"source__url": f"mysql://u:x@{secret('password')}@h/d"},
    "a password in place of a port": {"source__url": f"postgresql://u:x@h:{PASSWORD}/d"},
    "a password in the API's address": {"api__base_url": f"https://u:{PASSWORD}@h"},
    "a token in the API's address": {"api__base_url": f"https://h/?t={PASSWORD}"},
    "a password in a target's address": {"telemetry__otlp_endpoint": f"http://u:{PASSWORD}@h"},
    "a webhook without a scheme": {"notify__webhook_url": f"host/{PASSWORD}"},
    "a webhook in clear text": {"notify__webhook_url": f"http://host/{PASSWORD}"},
    "a token of two lines": {"api__token": f"{CORE}\n{CORE}"},
    "a token that is no text": {"api__token": f"{CORE}\u00fc"},
    "two places of a secret": {"api__token_file": CORE, "api__session_id_file": secret("session")},
    "a secret under an unknown key": {"api__tokn": CORE},
    "a section of text": {"api": CORE},
    "a command that is no list": {"api__token_command": CORE},
    "a number that is a secret": {"api__max_rate": CORE},
    "a secret in place of a choice": {"api__auth": CORE},
    "a header of two lines": {"api__user_id": f"{CORE}\n"},
    "codes that are none": {"notify__exit_codes": f'["{CORE}"]'},
    "a key of a bucket without one": {"archive__s3_secret_access_key": CORE, "archive__location": "folder"},
}


def test_wrong_settings_of_every_kind(installed, monkeypatch):
    for name, settings in WRONG.items():
        with monkeypatch.context() as variables:
            for key, value in settings.items():
                variables.setenv(f"TASK_AUDIT_{key.upper()}", value)
            assert installed.run("config", "show").exit_code == 78, name

    assert sightings(installed.places()) == []


FILES = {
    "no TOML": f"[api]\ntoken = {CORE}",
    "a broken string": f'[api]\ntoken = "{CORE}',
    "a key that is a secret": f"[api]\n'{secret('session')}' = 1",
    "a section that is a secret": f"['{secret('session')}']\nx = 1",
    "a secret twice": f"[api]\ntoken = '{CORE}'\ntoken = '{CORE}'",
    "a list": f"[api]\ntoken = ['{CORE}']",
    "a table": f"[api.token]\n'{secret('session')}' = '{CORE}'",
}


def test_wrong_files_of_every_kind(installed, tmp_path, monkeypatch):
    monkeypatch.delenv("TASK_AUDIT_API__TOKEN")
    for name, content in FILES.items():
        file = tmp_path / "wrong.toml"
        file.write_text(content, encoding="utf-8")
        assert installed.run("--config", file, "config", "show").exit_code == 78, name

    assert sightings(installed.places()) == []


def test_unusable_secret_files(installed, monkeypatch, tmp_path):
    folder = tmp_path / "secrets"
    folder.mkdir()
    for name in ("TOKEN", "SESSION_ID", "APP_SECRET"):
        monkeypatch.delenv(f"TASK_AUDIT_API__{name}")
    monkeypatch.setenv("TASK_AUDIT_SECRETS_DIR", str(folder))
    for name, content in {
        "api__tokn": CORE,
        "api__token": f"{CORE}\n{CORE}",
        "source__url": f"postgresql://u:{PASSWORD}@127.0.0.1:9/d",
        "warehouse__url": f"x://u:{PASSWORD}@h/d",
        "api": f'{{"token": ["{CORE}"]}}',
    }.items():
        file = folder / name
        file.write_text(content, encoding="utf-8")
        with monkeypatch.context() as variables:
            assert installed.run("run", "-v").exit_code in {69, 78}, name
            variables.setenv("TASK_AUDIT_API__TOKEN_FILE", str(file))
            installed.run("doctor")
        file.unlink()

    assert sightings(installed.places()) == []


def test_no_list_of_processes_shows_a_secret_and_no_child_is_given_one(installed, monkeypatch, tmp_path):
    """The secrets come from files, and a real process and its child show what other users could see."""
    folder = tmp_path / "secrets"
    folder.mkdir()
    for variable in [name for name, value in os.environ.items() if CORE in value or PASSWORD in value]:
        monkeypatch.delenv(variable)
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_HEADERS", raising=False)
    for name, value in {
        "api__session_id": secret("session"),
        "archive__s3_secret_access_key": "",
        "notify__webhook_url": f"{os.environ['TASK_AUDIT_API__BASE_URL']}/hook/{PASSWORD}",
    }.items():
        if value:
            (folder / name).write_text(value, encoding="utf-8")
    command = tmp_path / "token-command"
    seen = (
        "for each in /proc/$PPID/cmdline /proc/$PPID/environ /proc/self/cmdline /proc/self/environ; do cat $each; done"
    )
    command.write_text(f"#!/bin/sh\n{seen} > seen-by-others\necho '{secret('token')}'\n", encoding="utf-8")
    command.chmod(0o700)
    monkeypatch.setenv("TASK_AUDIT_SECRETS_DIR", str(folder))
    monkeypatch.setenv("TASK_AUDIT_API__TOKEN_COMMAND", f'["{command}"]')
    Path("ids.txt").write_text("\n".join([HONEST, *list(REPEATING_TASKS)[:6]]), encoding="utf-8")
    installed.run("enqueue", "--file", "ids.txt")

    done = subprocess.run([sys.executable, "-m", "etl", "run", "-v"], capture_output=True, check=False)

    assert done.returncode in {0, 65, 75}, done.stderr
    seen = Path("seen-by-others").read_bytes()
    assert b"etl\0run\0-v\0" in seen
    assert b"TASK_AUDIT_SECRETS_DIR=" in seen
    assert sightings(installed.places() | {"stdout": done.stdout, "stderr": done.stderr}) == []
