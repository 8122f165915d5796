"""A known secret of every kind meets every failure, and is found only where the test put it."""

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing, contextmanager
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Thread
from urllib.parse import quote

import duckdb
import polars as pl
import pytest

from etl.jobs.opening import initialize
from etl.settings.load import Settings
from tests.canary import CORE, FORMS, NEEDLES, secret, sightings
from tests.repeating_api import FAILING, HONEST, REPEATING_TASKS, THROTTLED, repeating

TOKEN = f"Bearer {secret('token')}"
PASSWORD = quote(secret("password"), safe="")

INSERT = """
INSERT INTO dim_result_code BY NAME
SELECT ? AS result_code, ? AS title, FALSE AS is_documented, now() AS first_seen_at
"""

COMMANDS = (
    ("config", "show"),
    ("config", "show", "--json"),
    ("doctor",),
    ("doctor", "--json"),
    ("plan",),
    ("status",),
    ("status", "--json"),
    ("dead-letters", "list"),
    ("dead-letters", "list", "--json"),
    ("dead-letters", "show", min(REPEATING_TASKS)),
    ("query", "open_dead_letters"),
    ("query", "drift", "--format", "csv"),
    ("query", "what_changed", "--format", "json"),
    ("query", "task_story", "--param", f"task_id={min(REPEATING_TASKS)}"),
    ("labels", "export"),
    ("report", "--out", "report.html"),
    ("notify",),
    ("notify", "--test"),
)
"""The commands that show what a night has left."""


class Installation:
    """A folder in which the job runs, with everything that it has printed and written there."""

    def __init__(self, task_audit, folder):
        self._task_audit = task_audit
        self.folder = folder
        self.printed = {}

    def run(self, *arguments):
        result = self._task_audit(*arguments)
        for name in ("stdout", "stderr"):
            self.printed[f"{name} of {' '.join(map(str, arguments))} ({len(self.printed)})"] = getattr(result, name)
        return result

    def places(self):
        files = {str(file): file.read_bytes() for file in self.folder.rglob("*") if file.is_file()}
        return self.printed | files | dict(self._cells())

    def _cells(self):
        """What is packed in a file, column by column."""
        for file in self.folder.rglob("*.parquet"):
            for column in pl.read_parquet(file).iter_columns():
                yield f"{file}: {column.name}", b"\n".join(_bytes(value) for value in column)
        with duckdb.connect(str(self.folder / "warehouse.duckdb")) as connection:
            yield from _columns(connection, "SELECT table_name FROM duckdb_tables() WHERE NOT internal")
        with closing(sqlite3.connect(self.folder / "pending.sqlite")) as connection:
            yield from _columns(connection, "SELECT name FROM sqlite_master WHERE type = 'table'")


def _columns(connection, tables):
    for (table,) in connection.execute(tables).fetchall():
        found = connection.execute(f"SELECT * FROM {table}")
        names, rows = [each[0] for each in found.description], found.fetchall()
        for number, name in enumerate(names):
            yield f"{table}.{name}", b"\n".join(_bytes(row[number]) for row in rows)


def _bytes(value):
    return value if isinstance(value, bytes) else str(value).encode()


@pytest.fixture
def api():
    with repeating() as api:
        yield api


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    """The files of an installation that has done nothing yet; each test has a copy."""
    folder = tmp_path_factory.mktemp("empty")
    urls = {"source": f"sqlite:///{folder}/pending.sqlite", "warehouse": f"duckdb:///{folder}/warehouse.duckdb"}
    initialize(Settings.model_validate({section: {"url": url} for section, url in urls.items()}))
    return folder


@pytest.fixture
def folder(tmp_path, monkeypatch, empty):
    folder = tmp_path / "work"
    shutil.copytree(empty, folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def installed(task_audit, configure, folder, monkeypatch, api):
    """An installation with a secret in every place that may have one."""
    monkeypatch.setenv("OPENLINEAGE_API_KEY", secret("lineage"))
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", f"authorization=Bearer%20{quote(secret('otlp'), safe='')}")
    configure(
        api__base_url=api.url,
        api__user_id="1505084218764547200",
        api__token=TOKEN,
        api__session_id=secret("session"),
        api__app_secret=secret("app"),
        api__attempts=1,
        api__max_rate=100_000,
        archive__location="archive",
        telemetry__metrics_textfile="metrics.prom",
        telemetry__pushgateway_url=f"{api.url}/push",
        telemetry__otlp_endpoint=f"{api.url}/otlp",
        telemetry__openlineage_url=f"{api.url}/lineage",
        notify__webhook_url=f"{api.url}/hook/{PASSWORD}",
    )
    return Installation(task_audit, folder)


def test_the_search_would_find_every_form_in_every_place(installed):
    hidden = f"Bearer {secret('token')} and more"
    for form, write in FORMS.items():
        assert any(f": {form} in" in sighting for sighting in sightings({"a log": f"x {write(hidden)} y"})), form
        with duckdb.connect("warehouse.duckdb") as warehouse:
            warehouse.execute(INSERT, [form, write(hidden)])
        with closing(sqlite3.connect("pending.sqlite")) as queue, queue:
            queue.execute("INSERT INTO pending_task (task_id, last_error) VALUES (?, ?)", [form, write(hidden)])
    everything = "\n".join(write(hidden) for write in FORMS.values())
    Path("archive").mkdir()
    pl.DataFrame({"body": [everything.encode()] * 2}).write_parquet("archive/x.parquet", compression="zstd")
    Path("report.html").write_text(everything, encoding="utf-8")

    found = sightings(installed.places() | {"stderr": everything})

    for place in (
        "stderr",
        "archive/x.parquet: body",
        "report.html",
        "dim_result_code.title",
        "pending_task.last_error",
    ):
        forms = {line.partition(" in ...")[0].rpartition(": ")[2] for line in found if f"{place}: " in line}
        assert forms == {form for form, _ in NEEDLES}, place


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_an_api_that_repeats_the_token_everywhere(installed, api, log_format):
    Path("ids.txt").write_text("\n".join([HONEST, *REPEATING_TASKS, FAILING, THROTTLED]), encoding="utf-8")
    assert installed.run("enqueue", "--file", "ids.txt").exit_code == 0

    result = installed.run("run", "-v", "--json", "--log-format", log_format)

    assert '"audited":' in result.stdout
    if log_format == "json":
        for command in COMMANDS:
            installed.run(*command)
        assert Path("report.html").exists()
        assert installed.run("run", "--refetch", "--json").exit_code in {0, 65, 75}
        assert installed.run("dead-letters", "retry", "--reason", "rejected").exit_code == 0
        assert installed.run("replay").exit_code == 0
    assert {path.split("/")[1] for path, _ in api.posts} == {"push", "otlp", "lineage", "hook"}
    received = {value for _, headers in api.received for value in headers.values()}
    assert {TOKEN, f"Bearer {secret('lineage')}", f"Bearer {secret('otlp')}"} <= received
    posted = b"\n".join(body for _, body in api.posts)
    assert sightings(installed.places() | {"what other programs received": posted}) == []


def test_facts_and_archive_agree_on_what_they_hold_in_its_place(installed, configure):
    Path("ids.txt").write_text("\n".join([HONEST, *REPEATING_TASKS]), encoding="utf-8")
    installed.run("enqueue", "--file", "ids.txt")
    installed.run("run")
    facts = "SELECT * EXCLUDE (run_id) FROM fact_task_status ORDER BY task_id"
    with duckdb.connect("warehouse.duckdb") as warehouse:
        live = warehouse.execute(facts).fetchall()
    configure(warehouse__url="duckdb:///again.duckdb")
    assert installed.run("init").exit_code == 0
    assert installed.run("replay").exit_code == 0
    with duckdb.connect("again.duckdb") as warehouse:
        assert warehouse.execute(facts).fetchall() == live

    names = {row[1] for row in live}
    assert "of ********" in names
    assert len(live) > len(REPEATING_TASKS) / 3


REFUSALS = {
    "401": ((401, "APIGW.0301"), 77),
    "no rights": ((403, "APIGW.0304"), 77),
    "wrong place": ((404, "APIGW.0101"), 78),
    "no quota": ((403, "APIGW.0501"), 69),
    "a portal": ((511, "x"), 69),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_an_api_that_refuses_and_repeats_the_token(installed, api, name):
    refusal, code = REFUSALS[name]
    Path("ids.txt").write_text(HONEST, encoding="utf-8")
    installed.run("enqueue", "--file", "ids.txt")
    api.refusal = refusal

    assert installed.run("run", "-v", "--json").exit_code == code
    assert installed.run("doctor").exit_code == code

    posted = b"\n".join(body for _, body in api.posts)
    assert sightings(installed.places() | {"what other programs received": posted}) == []


def test_an_app_whose_secret_and_signature_are_repeated(installed, api, configure, monkeypatch):
    configure(api__auth="app", api__app_id="a378331e")
    for name in ("TOKEN", "SESSION_ID"):
        monkeypatch.delenv(f"TASK_AUDIT_API__{name}")
    Path("ids.txt").write_text(HONEST, encoding="utf-8")
    installed.run("enqueue", "--file", "ids.txt")
    api.refusal = (401, "APIGW.0303")

    assert installed.run("run", "-v").exit_code == 77

    signatures = {
        signature
        for _, headers in api.received
        for signature in re.findall(r"Signature=([0-9a-f]+)", headers.get("Authorization", ""))
    }
    places = installed.places()
    assert signatures
    assert not [place for place, said in places.items() for each in signatures if each in str(said)]
    assert sightings(places) == []


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


class Postgres(BaseRequestHandler):
    """A server that refuses all clients, and repeats their passwords."""

    def handle(self):
        self.request.recv(1024)
        message = f"SFATAL\0C28P01\0Mpassword authentication failed for {secret('password')} ({PASSWORD})\0\0".encode()
        self.request.sendall(b"E" + (len(message) + 4).to_bytes(4) + message)


@contextmanager
def refusing_postgres():
    with ThreadingTCPServer(("127.0.0.1", 0), Postgres) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("section", ["source", "warehouse"])
def test_databases_that_refuse(installed, configure, section):
    with refusing_postgres() as port:
        urls = {
            f"postgresql://u:{PASSWORD}@127.0.0.1:{port}/d?sslmode=disable": 78,
            f"postgresql://u@127.0.0.1:{port}/d?sslmode=disable&password={PASSWORD}": 78,
            f"postgresql://u:{PASSWORD}@127.0.0.1:9/d?sslpassword={PASSWORD}": 69,
            f"postgresql://u:{PASSWORD}@127.0.0.1:9/d?channel_binding={PASSWORD}": None,
            f"postgresql://u:{PASSWORD}@127.0.0.1:9/d?{PASSWORD}=1": 78,
            f"mysql://u:{PASSWORD}@127.0.0.1:9/d": 69,
            f"mysql://u:{PASSWORD}@127.0.0.1:9/d?ssl_key={PASSWORD}": None,
        }
        for url, code in urls.items():
            configure(**{f"{section}__url": url})
            ended = installed.run("run", "-v").exit_code
            assert ended == code or code is None, url
            installed.run("doctor", "--json")
            installed.run("config", "show", "--json")

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


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_bug_whose_message_holds_every_secret(installed, monkeypatch, api, log_format):
    said = " ".join(
        write(secret(kind)) for kind in ("token", "session", "app", "lineage", "otlp") for write in FORMS.values()
    )

    def stumble(*_arguments, **_keywords):
        raise UnicodeEncodeError("latin-1", said, 0, 1, said)

    Path("ids.txt").write_text(HONEST, encoding="utf-8")
    installed.run("enqueue", "--file", "ids.txt")
    monkeypatch.setattr("etl.run.batch_loader.make_batch", stumble)
    assert installed.run("run", "-v", "--log-format", log_format).exit_code == 70
    monkeypatch.setattr("etl.jobs.audit.begin_run", stumble)
    assert installed.run("run", "--log-format", log_format).exit_code == 70
    monkeypatch.setattr("etl.jobs.doctor.api.open_koodrive", stumble)
    assert installed.run("doctor").exit_code == 70
    monkeypatch.setattr("etl.jobs.reporters.overview", stumble)
    monkeypatch.setattr("etl.observe.webhook.Webhook.post", stumble)
    installed.run("notify", "--test")

    traceback = '"exception":' if log_format == "json" else "Traceback"
    assert sum(traceback in printed.replace(": ", ":") for printed in installed.printed.values()) >= 2
    posted = b"\n".join(body for _, body in api.posts)
    assert sightings(installed.places() | {"what other programs received": posted}) == []


def test_targets_that_fail_and_repeat_what_they_were_sent(installed, api):
    api.refusal = (500, "x")

    assert installed.run("run", "-v", "--log-format", "json").exit_code == 0
    assert installed.run("notify", "--test").exit_code == 69

    assert {path.split("/")[1] for path, _ in api.posts} >= {"push", "otlp", "lineage", "hook"}
    assert sightings(installed.places()) == []


def test_a_bucket_that_refuses(installed, api, configure):
    api.refusal = (403, "x")
    configure(
        archive__location="s3://answers/night",
        archive__s3_endpoint=api.url,
        archive__s3_region="r",
        archive__s3_access_key_id="key",
        archive__s3_secret_access_key=secret("s3"),
    )

    assert installed.run("replay").exit_code == 69
    installed.run("config", "show")

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
    Path("ids.txt").write_text("\n".join([HONEST, *list(REPEATING_TASKS)[:20]]), encoding="utf-8")
    installed.run("enqueue", "--file", "ids.txt")

    done = subprocess.run([sys.executable, "-m", "etl", "run", "-v"], capture_output=True, check=False)

    assert done.returncode in {0, 65, 75}, done.stderr
    seen = Path("seen-by-others").read_bytes()
    assert b"etl\0run\0-v\0" in seen
    assert b"TASK_AUDIT_SECRETS_DIR=" in seen
    assert sightings(installed.places() | {"stdout": done.stdout, "stderr": done.stderr}) == []
