"""Each error that an operator can cause has its code, a sentence of its page, and a remedy."""

import io
import json
import re
import sqlite3
import sys

import click
import pytest
from pydantic import SecretStr

from etl.cli.errors import emit
from etl.error_codes import Code
from etl.errors import BugError, InputError
from etl.resources import page_of
from tests.nights import TOKEN, task_ids
from tests.reported_errors import FORM

PASSWORD = "CANARY-pa55"
CLOSED_PORT = f"postgresql://auditor:{PASSWORD}@127.0.0.1:9/audit"


def require_form(result, code):
    """Check everything about an error that a person or a script relies on; returns the sentence."""
    found = FORM.search(result.stderr)
    assert found, result.stderr
    require_words(found.groupdict(), result.exit_code, code)
    assert ("Traceback" in result.stderr) == (code is Code.BUG)
    assert PASSWORD not in result.stderr
    assert result.stdout == ""
    return found["message"]


def require_words(error, exit_code, code):
    assert (error["code"], exit_code) == (code, Code(code).exit_code)
    assert error["remedy"].rstrip("`'").endswith((".", "wrong", "init", "read_only"))
    patterns = re.findall(r"^- (`+)(.+)\1$", page_of(code), re.MULTILINE)
    assert any(is_like(error["message"], pattern) for _, pattern in patterns), error["message"]


def is_like(message, pattern):
    return re.fullmatch(".*".join(map(re.escape, pattern.split("\N{HORIZONTAL ELLIPSIS}"))), message)


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    """Work in a folder that holds a few unusable files only."""
    monkeypatch.chdir(tmp_path)
    tmp_path.joinpath("text.sqlite").write_text("This is no database, and long enough to be read as one." * 20)
    tmp_path.joinpath("empty.sqlite").touch()
    tmp_path.joinpath("bad.toml").write_text("[api]\nmax_rate = fast\n")
    tmp_path.joinpath("ids.csv").write_text("task_id,submitted_at\n1,2,3\n")
    tmp_path.joinpath("times.csv").write_text("task_id,submitted_at\n1,gestern\n")
    with sqlite3.connect("taken.sqlite") as taken:
        taken.execute("CREATE TABLE pending_task (id)")
    taken.close()


@pytest.mark.parametrize(
    ("code", "arguments", "settings"),
    [
        (Code.SETTING_WRONG, ["status"], {"api__max_rat": 3}),
        (Code.SETTING_WRONG, ["status"], {"aip__max_rate": 3}),
        (Code.SETTING_MISSING, ["replay"], {}),
        (Code.SETTING_MISSING, ["notify", "--test"], {}),
        (Code.CONFIGURATION_UNREADABLE, ["--config", "bad.toml", "status"], {}),
        (Code.CONFIGURATION_UNREADABLE, ["--config", "none.toml", "status"], {}),
        (Code.CONFIGURATION_UNREADABLE, ["status"], {"secrets_dir": "none"}),
        (Code.SECRET_UNREADABLE, ["notify", "--test"], {"notify__webhook_url_file": "none"}),
        (Code.DATABASE_MISSING, ["status"], {}),
        (Code.DATABASE_UNAVAILABLE, ["status"], {"source__url": CLOSED_PORT}),
        (Code.DATABASE_REFUSED, ["status"], {"source__url": "sqlite:///text.sqlite"}),
        (Code.SCHEMA_OUTDATED, ["status"], {"source__url": "sqlite:///empty.sqlite"}),
        (Code.TABLE_TAKEN, ["init"], {"source__url": "sqlite:///taken.sqlite"}),
        (Code.SOURCE_READ_ONLY, ["enqueue", "1"], {"source__mode": "read_only"}),
        (Code.WEBHOOK_UNAVAILABLE, ["notify", "--test"], {"notify__webhook_url": "http://127.0.0.1:9/x"}),
        (Code.USAGE, ["run", "--bogus"], {}),
        (Code.USAGE, ["nonsense"], {}),
        (Code.USAGE, ["--bogus"], {}),
        (Code.USAGE, ["dead-letters", "retry"], {}),
        (Code.QUESTION_UNKNOWN, ["query", "stuck_task"], {}),
        (Code.PARAMETER_WRONG, ["query", "stuck_tasks", "--param", "hours=soon"], {}),
        (Code.QUESTION_NEEDS_QUEUE, ["query", "reconciliation"], {"source__mode": "read_only"}),
    ],
    ids=str,
)
def test_an_error_without_a_database(task_audit, configure, code, arguments, settings):
    configure(**settings)
    require_form(task_audit(*arguments), code)


@pytest.fixture
def night(night_of, tmp_path):
    """Open a night whose databases are one SQLite file, which is the cheapest."""
    url = SecretStr(f"sqlite:///{tmp_path}/night.sqlite")
    with night_of(None, url, url) as night:
        yield night


def test_an_error_with_databases(night, configure, monkeypatch, tmp_path):
    for code, arguments in [
        (Code.FILE_MALFORMED, ["enqueue", "--file", "ids.csv"]),
        (Code.VALUE_WRONG, ["enqueue", "--file", "times.csv"]),
        (Code.RUN_UNKNOWN, ["report", "--run", "no-such-run"]),
        (Code.FILE_UNWRITABLE, ["report", "--since", "2026-11-01", "--out", "none/report.html"]),
        (Code.DEAD_LETTER_UNKNOWN, ["dead-letters", "show", "1"]),
        (Code.DEAD_LETTER_UNKNOWN, ["dead-letters", "discard", "1"]),
    ]:
        require_form(night.run(*arguments), code)
    with monkeypatch.context() as changed:
        changed.setenv("TASK_AUDIT_SOURCE__MODE", "read_only")
        changed.setenv("TASK_AUDIT_SOURCE__TASK_ID_COLUMN", "id")
        require_form(night.run("plan"), Code.SOURCE_UNREADABLE)
    with monkeypatch.context() as changed, sqlite3.connect("night.sqlite", isolation_level=None) as holder:
        changed.setattr("etl.database.engines.sqlite.LOCK_WAIT_SECONDS", 0.1)
        holder.execute("BEGIN EXCLUSIVE")
        require_form(night.run("enqueue", "1"), Code.DATABASE_LOCKED)
    holder.close()
    night.change("UPDATE task_audit_version SET version_num = 'w9999'", "warehouse")
    require_form(night.run("status"), Code.SCHEMA_NEWER)


def test_the_row_of_a_run_has_the_error_that_ended_it(night, configure):
    night.enqueue(*task_ids(5))
    for code, settings, options in [
        (Code.STOPPED_BY_TIME, {"api__max_rate": 1}, ["--max-duration", "1"]),
        (Code.CREDENTIALS_REFUSED, {"api__token": "Bearer another"}, []),
    ]:
        configure(**settings)
        ended = night.run("run", *options)
        error, exit_code = night.rows("SELECT error, exit_code FROM audit_run ORDER BY started_at")[-1]
        assert ended.exit_code == exit_code == Code(code).exit_code
        assert error.startswith(f"[{code}] ")
        assert f"[{code}] " in ended.stderr
        assert f"\nHelp: task-audit explain {code}\n" in ended.stderr


def test_an_error_before_a_run_begins(night, configure, monkeypatch):
    monkeypatch.delenv("TASK_AUDIT_API__TOKEN")
    require_form(night.run("run"), Code.SETTING_MISSING)
    configure(api__token_command='["false"]')
    require_form(night.run("run"), Code.TOKEN_NOT_RENEWED)


def test_an_archive_that_cannot_be_used(night, configure, tmp_path):
    configure(archive__location=tmp_path / "archive")
    require_form(night.run("replay"), Code.ARCHIVE_UNAVAILABLE)
    night.enqueue(*task_ids(3))
    night.run("run")
    (file,) = tmp_path.glob("archive/*/*.parquet")
    file.write_bytes(b"PAR1 and nothing else")
    require_form(night.run("replay"), Code.ARCHIVE_DAMAGED)


def test_a_missing_extra(task_audit, configure, monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    configure(source__url=CLOSED_PORT)
    require_form(task_audit("status"), Code.EXTRA_MISSING)
    monkeypatch.setitem(sys.modules, "mcp.server.lowlevel", None)
    monkeypatch.delitem(sys.modules, "etl.assistant.server", raising=False)
    require_form(task_audit("mcp"), Code.EXTRA_MISSING)


def test_a_bug(task_audit, monkeypatch):
    monkeypatch.setattr("etl.cli.query.questions", lambda _: 1 / 0)
    for verbosity in ([], ["-v"]):
        result = task_audit("query", *verbosity)
        assert require_form(result, Code.BUG) == "This is a bug in task-audit: ZeroDivisionError."
        assert "1 / 0" in result.stderr


def test_a_json_log_has_an_error_as_one_line(task_audit, configure, monkeypatch):
    for arguments, code in [
        (["--log-format", "json", "status"], Code.DATABASE_MISSING),
        (["status", "--log-format", "json"], Code.DATABASE_MISSING),
        (["--log-format", "json", "run", "--bogus"], Code.USAGE),
    ]:
        result = task_audit(*arguments)
        (line,) = map(json.loads, result.stderr.splitlines())
        assert line.pop("timestamp")
        assert set(line) == {"event", "level", "code", "message", "remedy", "exit_code"}
        assert (line["event"], line["exit_code"]) == ("command_failed", result.exit_code)
        require_words(line, result.exit_code, code)
    configure(telemetry__log_format="json")
    assert json.loads(task_audit("status").stderr)["code"] == Code.DATABASE_MISSING
    monkeypatch.setattr("etl.cli.status.read_status", lambda _: 1 / 0)
    line = json.loads(task_audit("status").stderr)
    assert (line["code"], line["exception"][0]["exc_type"]) == (Code.BUG, "ZeroDivisionError")


def test_verbosity_adds_the_cause_and_no_secret(task_audit, configure):
    configure(source__url=CLOSED_PORT)
    short, long = task_audit("status"), task_audit("status", "-v")
    assert require_form(short, Code.DATABASE_UNAVAILABLE) == require_form(long, Code.DATABASE_UNAVAILABLE)
    assert FORM.search(short.stderr)["causes"] == ""
    assert FORM.search(long.stderr)["causes"].startswith("Cause: psycopg.OperationalError: ")
    in_json = json.loads(task_audit("status", "-v", "--log-format", "json").stderr)
    assert in_json["causes"][0].startswith("psycopg.OperationalError: ")
    assert PASSWORD not in str(in_json)


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("colours", [True, False])
def test_a_terminal_shows_an_error_in_eighty_columns_and_runs_none_of_its_text(monkeypatch, colours):
    stderr = Terminal()
    monkeypatch.setattr(sys, "stderr", stderr)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    if not colours:
        monkeypatch.setenv("NO_COLOR", "1")
    hostile = "[red]It[/red] \x1b[2J[/] \r\n:boom: " + "word " * 30
    emit(InputError(hostile, code=Code.VALUE_WRONG, remedy="[link=x]Fix it."), log_format="auto", verbose=False)

    drawn = stderr.getvalue()
    assert ("\x1b[1;31m" in drawn) == colours
    assert "\x1b[2J" not in drawn
    plain = click.unstyle(drawn)
    assert "[value-wrong] [red]It[/red] \\x1b[2J[/] \\r\\n:boom: word" in plain
    assert "Remedy  [link=x]Fix it." in plain
    assert "Help    task-audit explain value-wrong" in plain
    assert max(map(len, plain.splitlines())) <= 80


def test_a_bug_on_a_terminal_keeps_its_traceback(monkeypatch):
    stderr = Terminal()
    monkeypatch.setattr(sys, "stderr", stderr)
    bug = BugError("A bug.", code=Code.BUG, remedy="Report it.")
    bug.__cause__ = ZeroDivisionError("by nought")
    emit(bug, log_format="console", verbose=False)
    assert "ZeroDivisionError: by nought" in stderr.getvalue()


def test_explain_lists_the_codes_and_prints_a_page(task_audit):
    assert task_audit("explain", "database-locked").stdout == page_of(Code.DATABASE_LOCKED)
    listed = task_audit("explain").stdout.splitlines()
    assert [line.split()[0] for line in listed[1:]] == list(Code)
    assert listed[1].rstrip().split(maxsplit=2)[1:] == ["78", Code.SETTING_WRONG.sentence]
    assert task_audit("explain", "nonsense").exit_code == 2


def test_help_is_no_error(task_audit):
    for arguments in (["--help"], ["run", "--help"], ["--version"]):
        result = task_audit(*arguments)
        assert (result.exit_code, result.stderr) == (0, "")
    for arguments in ([], ["config"]):
        result = task_audit(*arguments)
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.startswith("Usage: ")
        assert "Error" not in result.stderr


def test_a_doctors_failure_has_the_code(task_audit):
    findings = json.loads(task_audit("doctor", "--json").stdout)
    failures = {finding["subject"]: finding["code"] for finding in findings if finding["state"] == "failure"}
    assert failures == {
        "pending database": Code.DATABASE_MISSING,
        "warehouse": Code.DATABASE_MISSING,
        "API": Code.SETTING_MISSING,
    }
    assert {finding["code"] for finding in findings if finding["state"] == "ok"} == {None}
    assert TOKEN not in str(findings)
    assert "[database-missing]" in task_audit("doctor").stdout
