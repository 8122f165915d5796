"""What scripts rely on: exit codes, errors with their remedies, and a stdout that holds data only."""

import html
import json
import re
import sqlite3
import subprocess
import sys

import pytest

from etl.cli import COMMANDS
from etl.resources import resource
from tests.reported_errors import reported_error


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["run", "--since", "gestern"], "is not a date"),
        (["run", "--limit", "0"], "--limit"),
        (["run", "--max-duration", "soon"], "is not a duration"),
        (["run", "--stop-at", "noon"], "is not a time of day"),
        (["run", "--nonsense"], "--nonsense"),
        (["nonsense"], "nonsense"),
        (["enqueue"], "Give task IDs"),
        (["enqueue", "--file", "missing.csv"], "missing.csv"),
        (["enqueue", "1", "--column", "id"], "give --file"),
        (["enqueue", "notanid", "12"], "Argument 1: 'notanid' is not a task ID"),
        (["enqueue", "--from-api", "--dry-run"], "--dry-run"),
        (["--log-format", "xml", "status"], "--log-format"),
    ],
)
def test_wrong_usage_ends_with_2_and_names_the_argument(task_audit, arguments, complaint):
    result = task_audit(*arguments)

    assert result.exit_code == 2
    assert complaint in reported_error(result)
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("since", "until"),
    [("2026-11-08", "2026-11-01"), ("2026-11-02", "2026-11-01"), ("2026-11-02T00:00", "2026-11-01T23:59")],
)
@pytest.mark.parametrize("command", ["run", "plan", "report", "replay", "enqueue --from-api"])
def test_a_range_that_ends_before_it_starts_is_refused_in_any_order(task_audit, command, since, until):
    for options in (["--since", since, "--until", until], ["--until", until, "--since", since]):
        result = task_audit(*command.split(), *options)

        assert result.exit_code == 2
        assert "--since is after --until." in reported_error(result)
        assert result.stdout == ""


@pytest.mark.parametrize(
    "arguments",
    ["run --since 11/01/2026", "enqueue 1 x\N{NULL}", "query as_of --param at=soon", "report --run 1 --since today"],
)
def test_a_wrong_command_line_is_reported_before_a_wrong_configuration(task_audit, arguments):
    assert task_audit("--config", "none.toml", *arguments.split()).exit_code == 2


@pytest.mark.parametrize(
    ("written", "tasks"), [("20261101", 1), ("2026-W44-7", 1), ("2026-11-01+08:00", 0), ("2026-11-02+08:00", 1)]
)
def test_a_date_in_any_spelling_selects_its_whole_day(task_audit, tmp_path, written, tasks):
    task_audit("init")
    (tmp_path / "evening.csv").write_text("task_id,submitted_at\n1,2026-11-01T18:00:00Z\n", encoding="utf-8")
    task_audit("enqueue", "--file", "evening.csv")

    planned = json.loads(task_audit("plan", "--since", written, "--until", written, "--json").stdout)

    assert planned["facts_at_most"] == tasks


def test_a_range_counts_from_now_or_from_its_start(task_audit):
    task_audit("init")
    task_audit("enqueue", "1534087020903704704")

    for options in (["--since", "2000d before now"], ["--since", "2024-10-01", "--until", "30d after since"]):
        assert json.loads(task_audit("plan", *options, "--json").stdout)["facts_at_most"] == 1
    assert json.loads(task_audit("plan", "--since", "yesterday", "--json").stdout)["facts_at_most"] == 0


def test_every_command_with_a_range_is_tested(task_audit):
    commands = {name for name in COMMANDS if "--until" in task_audit(name, "--help").stdout}
    assert commands == {"run", "plan", "report", "replay", "enqueue", "export"}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("[api]\nmax_rat = 3", "api.max_rat"),
        ("[api]\nmax_rate = 'fast'", "api.max_rate"),
        ("[aip]\n", "aip"),
        ("[api\n", "not valid TOML"),
        ("[api]\nbase_url = 'http://example.com'", "https"),
        ("[source]\nurl = 'oracle://x'", "source.url"),
        ("[warehouse]\nurl = 'postgresql://user:CANARY@127.0.0.1:9/x'", "127.0.0.1:9"),
        ("[warehouse]\nurl = 'mysql://user:CANARY@127.0.0.1:9/x'", "127.0.0.1:9"),
    ],
)
def test_a_wrong_configuration_ends_with_78_and_a_database_that_is_down_with_69(
    task_audit, tmp_path, content, complaint
):
    file = tmp_path / "wrong.toml"
    file.write_text(content, encoding="utf-8")

    result = task_audit("--config", file, "init")

    assert result.exit_code == (69 if "127.0.0.1:9" in content else 78)
    assert complaint in reported_error(result)
    assert "CANARY" not in result.stderr


def test_a_missing_configuration_file_ends_with_78(task_audit):
    result = task_audit("--config", "none.toml", "status")

    assert result.exit_code == 78
    assert "none.toml" in reported_error(result)


@pytest.mark.parametrize("command", [["run"], ["status"], ["enqueue", "1"]])
def test_before_init_every_command_names_init_and_writes_no_file(task_audit, configure, tmp_path, command):
    configure(api__base_url="http://127.0.0.1:9", api__token="t")

    result = task_audit(*command)

    assert result.exit_code == 78
    assert "task-audit init" in reported_error(result)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"api__token": "t"}, "api.base_url"),
        ({"api__base_url": "http://127.0.0.1:9"}, "api.token"),
        ({"api__base_url": "http://127.0.0.1:9", "api__auth": "app"}, "api.app_id"),
        ({"api__base_url": "http://127.0.0.1:9", "api__token_file": "missing"}, "api.token_file"),
    ],
)
def test_a_run_without_a_setting_that_it_needs_ends_with_78(task_audit, configure, settings, complaint):
    task_audit("init")
    configure(**settings)

    result = task_audit("run")

    assert result.exit_code == 78
    assert complaint in reported_error(result)


def test_init_prints_what_it_did(task_audit):
    first, second = task_audit("init"), task_audit("init")

    assert first.exit_code == second.exit_code == 0
    assert first.stdout.count("created") == 2
    assert second.stdout.count("nothing to do") == 2


def test_enqueue_prints_how_many_were_new(task_audit, tmp_path):
    task_audit("init")
    (tmp_path / "more.csv").write_text("task_id\n2\n3\n", encoding="utf-8")

    assert task_audit("enqueue", "1", "2").stdout == "2 new, 0 already there.\n"
    planned = task_audit("enqueue", "--file", "more.csv", "--dry-run").stdout
    assert planned == "1 new, 1 already there. Nothing was added: this was a dry run.\n"
    assert task_audit("enqueue", "--file", "more.csv").stdout == "1 new, 1 already there.\n"
    assert (
        task_audit("enqueue", "--file", "more.csv", "3").stdout == "0 new, 2 already there, 1 repeated in the input.\n"
    )


@pytest.mark.parametrize("content", ["", "task_id\n"])
def test_a_file_without_tasks_is_named_and_ends_with_0(task_audit, tmp_path, content):
    task_audit("init")
    (tmp_path / "empty.csv").write_text(content, encoding="utf-8")
    result = task_audit("enqueue", "--file", "empty.csv")

    assert (result.exit_code, result.stdout) == (0, "empty.csv has no tasks: nothing to add.\n")


def test_enqueue_reads_standard_input(task_audit):
    task_audit("init")
    command = [sys.executable, "-m", "etl", "enqueue", "--file", "-"]

    result = subprocess.run(command, input="1\n2\n", capture_output=True, text=True, check=True)

    assert result.stdout == "2 new, 0 already there.\n"


def test_a_refused_row_adds_nothing(task_audit, tmp_path):
    task_audit("init")
    (tmp_path / "bad.csv").write_text("task_id,submitted_at\n1,2026-11-01\n2,soon\n", encoding="utf-8")

    result = task_audit("enqueue", "--file", "bad.csv")

    assert result.exit_code == 2
    assert "bad.csv, line 3" in reported_error(result)
    with sqlite3.connect("pending.sqlite") as connection:
        assert connection.execute("SELECT COUNT(*) FROM pending_task").fetchone() == (0,)
    connection.close()


def test_status_as_json_and_for_a_person(task_audit):
    task_audit("init")
    task_audit("enqueue", "1534087020903704704", "1534087020903704705")

    status = json.loads(task_audit("status", "--json").stdout)

    assert status["runs"] == status["dead_letters"] == []
    (pending,) = status["backlog"]
    assert (pending["state"], pending["tasks"], pending["older"]) == ("pending", 2, 2)
    assert pending["oldest_submitted_at"].startswith("2024-10-17T07:17:03.871")
    assert "pending" in task_audit("status").stdout


def test_config_show_masks_secrets_and_names_origins(task_audit, configure, tmp_path):
    configure(api__token="CANARY-token", source__url="postgresql://me:CANARY-password@db/x?sslpassword=CANARY")
    file = tmp_path / "some.toml"
    file.write_text("[api]\nmax_rate = 7\n", encoding="utf-8")

    shown = task_audit("--config", file, "config", "show")
    as_json = json.loads(task_audit("--config", file, "config", "show", "--json").stdout)

    assert "CANARY" not in shown.stdout + json.dumps(as_json)
    assert as_json["api.max_rate"] == {"value": "7.0", "origin": f"[api] max_rate in {file}"}
    assert as_json["api.token"]["origin"] == "TASK_AUDIT_API__TOKEN"
    assert as_json["api.concurrency"]["origin"] == "default"


def text_of_the_picture():
    drawn = re.sub(r"<[^>]+>", "", resource("docs", "images", "demo.svg").read_text(encoding="utf-8"))
    return "".join(html.unescape(drawn).split())


def test_the_demo_runs_in_an_empty_folder(task_audit, tmp_path):
    result = task_audit("demo")

    assert result.exit_code == 0
    assert "v_failures_by_result_code" in result.stdout
    assert "18000205     Receiver has no space" in result.stdout
    assert "1,000 new or changed" in result.stderr
    folder = tmp_path / "task-audit-demo"
    assert {path.name for path in folder.iterdir()} == {"pending.sqlite", "warehouse.duckdb", "report.html"}
    assert "Receiver has no space" in (folder / "report.html").read_text(encoding="utf-8")
    for line in result.stdout.splitlines():
        # Numbers differ from demo to demo, and the drawing leaves out spaces between colours.
        assert re.search(r"\d|activate", line) or "".join(line.split()) in text_of_the_picture(), "run `make picture`"


def test_common_options_may_stand_before_or_after_the_command(task_audit, tmp_path):
    file = tmp_path / "some.toml"
    file.write_text("[api]\nmax_rate = 7\n", encoding="utf-8")

    for arguments in (
        ["--config", file, "--log-format", "json", "config", "show", "--json"],
        ["config", "show", "--json", "--log-format", "json", "--config", file],
    ):
        shown = json.loads(task_audit(*arguments).stdout)
        assert shown["api.max_rate"]["value"] == "7.0"
        assert shown["telemetry.log_format"] == {"value": "json", "origin": "the command line"}
