"""`task-audit query`: its list, its errors, and its rows in every format."""

import csv
import io
import json
import re
import shutil
import subprocess

import pytest
from rich.console import Console

from etl.receivers import for_csv, for_spreadsheet, from_csv
from etl.report.result_set import print_table, to_csv, to_objects
from etl.warehouse.read.questions import ResultSet
from tests.nights import task_ids
from tests.reported_errors import reported_error

SPREADSHEET = shutil.which("soffice")


@pytest.mark.parametrize("arguments", [(), ("--list",), ("as_of", "--list")])
def test_the_list_needs_no_warehouse(task_audit, tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    result = task_audit("query", *arguments)
    assert result.exit_code == 0
    assert result.stderr == ""
    assert "stuck_tasks\n    What is stuck?" in result.stdout
    assert "--param hours=NUMBER (default: 24)  The hours after which" in result.stdout
    assert "--param task_id=TEXT (needed)  The task." in result.stdout
    assert "--param task_id=TEXT (optional)" in result.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["nonsense"], "There is no question 'nonsense'. `task-audit query` lists the questions."),
        (["stuck_task"], "Did you mean 'stuck_tasks'?"),
        (["../views/v_run_health"], "There is no question"),
        (["mysql/time_to_end"], "There is no question"),
        (["stuck_tasks", "--param", "hour=3"], "has no parameter 'hour'. It takes hours."),
        (["drift", "--param", "hour=3"], "It takes none."),
        (["stuck_tasks", "--param", "hours"], "Write it as NAME=VALUE."),
        (["stuck_tasks", "--param", "hours=1", "--param", "hours=2"], "--param hours is given twice."),
        (["stuck_tasks", "--param", "hours=soon"], "'soon' is not a number. The hours after which"),
        (["stuck_tasks", "--param", "hours=nan"], "'nan' is not a number"),
        (["stuck_tasks", "--param", "hours=1e999"], "is not a number"),
        (["last_runs", "--param", "number=2.5"], "'2.5' is not a whole number from 0 on"),
        (["last_runs", "--param", "number=-1"], "'-1' is not a whole number from 0 on"),
        (["last_runs", "--param", f"number={2**63}"], "is not a whole number from 0 on"),
        (["task_story"], "--param task_id is missing, which the question 'task_story' needs."),
        (["task_story", "--param", "task_id=\udcff"], "--param task_id is not UTF-8"),
        (["as_of", "--param", "at=gestern"], "'gestern' is not a time. Write 2026-11-01, 2026-11-01T06:00:00Z"),
        (["as_of", "--param", "at=24h before christmas"], "is not a time"),
        (["as_of", "--param", "at=11/01/2026"], "'11/01/2026' is not a time. It may be a day of two months"),
        (["as_of", "--param", "at=soon before now"], "is not a time"),
        (
            ["what_changed", "--param", "until=2026-11-01", "--param", "since=2026-11-02"],
            "--param since is after until.",
        ),
        (
            ["tasks_behind_a_number", "--param", "submitted_since=today", "--param", "submitted_until=yesterday"],
            "--param submitted_since is after submitted_until.",
        ),
        (["dead_letters_by_age", "--param", "at=0001-01-01"], "--param day_ago: '1d before at' is not a time"),
    ],
)
def test_a_wrong_question_or_parameter_is_refused_with_2_and_a_remedy(
    task_audit, tmp_path, monkeypatch, arguments, complaint
):
    monkeypatch.chdir(tmp_path)
    result = task_audit("query", *arguments)
    assert result.exit_code == 2
    assert complaint in reported_error(result)
    assert result.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_a_range_that_is_right_in_some_zone_is_not_refused_before_the_zone_is_known(task_audit, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = "--param", "since=2026-11-01T20:00:00-12:00", "--param", "until=2026-11-01"
    result = task_audit("query", "what_changed", *given)
    assert (result.exit_code, "is after" in result.stderr) == (78, False)


def test_before_init_the_error_names_init(task_audit, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = task_audit("query", "last_runs")
    assert result.exit_code == 78
    assert "task-audit init" in reported_error(result)


def test_the_queue_and_the_facts_agree_after_a_run_on_every_engine(night_of, databases):
    source, warehouse = databases
    with night_of(source_url=source, warehouse_url=warehouse) as night:
        ids = task_ids(50)
        night.enqueue(*ids)
        assert night.run("run").exit_code == 0
        before = night.states()
        agreed = [{"finding": "agreed", "tasks": 50, "first_task_id": ids[0]}]
        assert json.loads(night.run("query", "reconciliation", "--format", "json").stdout) == agreed
        finished = next(task_id for task_id in ids if before[task_id] == "done")
        night.change(f"DELETE FROM pending_task WHERE task_id = '{finished}'")
        assert json.loads(night.run("query", "reconciliation", "--format", "json").stdout) == agreed
        still_open = next(task_id for task_id in ids if before[task_id] == "pending")
        night.change(f"DELETE FROM pending_task WHERE task_id = '{still_open}'")
        first, _ = json.loads(night.run("query", "reconciliation", "--format", "json").stdout)
        assert first == {"finding": "a fact, but not in the queue", "tasks": 1, "first_task_id": still_open}
        assert len(night.states()) == 48


def test_the_user_s_own_table_cannot_be_reconciled(night_of, configure):
    with night_of() as night:
        configure(source__mode="read_only")
        result = night.run("query", "reconciliation")
    assert result.exit_code == 2
    assert "read_only" in reported_error(result)


def test_every_format_has_the_same_rows(night_of):
    with night_of() as night:
        ids = task_ids(3)
        night.enqueue(*ids)
        night.run("run")
        results = [night.run("query", "as_of", "--format", form) for form in ("json", "csv", "table")]
        nothing = [
            night.run("query", "as_of", "--param", "at=2000-01-01", "--format", form)
            for form in ("json", "csv", "table")
        ]
    as_json, as_csv, as_table = (each.stdout for each in results)
    rows = json.loads(as_json)
    assert [row["task_id"] for row in rows] == ids
    read_back = list(csv.DictReader(io.StringIO(as_csv)))
    assert [row["valid_from"] for row in read_back] == [row["valid_from"] for row in rows]
    assert rows[0]["valid_from"].endswith("Z")
    assert all(task_id in as_table for task_id in ids)
    assert [each.exit_code for each in (*results, *nothing)] == [0] * 6
    assert [each.stderr.strip() for each in nothing] == ["", "", "No rows."]
    assert json.loads(nothing[0].stdout) == []
    assert nothing[1].stdout == as_csv.splitlines()[0] + "\n"


FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "\uff1d1", "'=1", "=cmd|' /C calc'!A0"]
HARMLESS = ["", "a", "1534087020903704704", "it's", "'", "a=1", "1-1", 'say "x", y', "\u4ea4\u63a5"]


def test_csv_holds_no_formula_and_loses_no_text():
    written = to_csv(ResultSet(columns=["words", "number"], rows=[(each, -1.5) for each in [*FORMULAS, *HARMLESS]]))
    cells = [row["words"] for row in csv.DictReader(io.StringIO(written, newline=""))]
    assert not any(cell.lstrip().startswith(("=", "+", "-", "@", "\uff1d")) for cell in cells)
    assert not any(cell.startswith(("\t", "\r", "\n")) for cell in cells)
    assert [from_csv(cell) for cell in cells] == [*FORMULAS, *HARMLESS]
    assert cells[len(FORMULAS) :] == HARMLESS
    # A negative number is no formula.
    assert ",-1.5\n" in written


@pytest.mark.parametrize("text", [*FORMULAS, *HARMLESS, "''=1", "''", "'-", '="', '=""', '="7"', '7"', '7"""'])
def test_an_escaped_formula_can_be_read_back(text):
    assert from_csv(for_csv(text)) == from_csv(for_spreadsheet(text)) == text


def test_in_csv_for_a_spreadsheet_texts_that_look_like_numbers_stay_texts():
    texts = [
        "1534087020903704704",
        "007",
        "12e34567",
        "2026-11-01",
        "3 May",
        " 1",
        ".5",
        "\uff11\uff12",
        'a "7"',
        '7" disk',
        *FORMULAS,
    ]
    written = to_csv(ResultSet(columns=["words", "number"], rows=[(each, 1234) for each in texts]), for_excel=True)
    assert written.startswith('\ufeffwords,number\n"=""1534087020903704704""",1234\n')
    cells = [row["words"] for row in csv.DictReader(io.StringIO(written.removeprefix("\ufeff"), newline=""))]
    assert [cell.startswith('="') and cell.endswith('"') for cell in cells[: len(texts)]] == [
        *[True] * 8,
        False,
        True,
        *[False] * len(FORMULAS),
    ]
    assert [from_csv(cell) for cell in cells] == texts
    # Excel takes no longer text within a formula.
    assert for_spreadsheet("1" * 256) == "1" * 256


@pytest.mark.skipif(not SPREADSHEET, reason="LibreOffice is not installed")
def test_a_spreadsheet_keeps_ids_and_names(tmp_path):
    row = ("1534087020903704704", "批量导入-华东", "=1+1", "18000205")
    answer = ResultSet(columns=["task_id", "name", "formula", "code"], rows=[row])
    (tmp_path / "answer.csv").write_text(to_csv(answer, for_excel=True), encoding="utf-8")
    # As it opens a file by itself: it finds the encoding and the separator.
    opened = [SPREADSHEET, f"-env:UserInstallation=file://{tmp_path}/profile", "--headless", "--infilter=CSV:44,34,76"]
    converted = [*opened, "--convert-to", "fods", "--outdir", tmp_path, tmp_path / "answer.csv"]
    subprocess.run(converted, check=True, capture_output=True, timeout=120)
    sheet = (tmp_path / "answer.fods").read_text(encoding="utf-8")
    assert re.findall(r'office:value-type="(\w+)"', sheet[sheet.index("<table:table ") :]) == ["string"] * 8
    assert re.findall(r"<text:p>(.*?)</text:p>", sheet)[-3:] == [row[1], "&apos;=1+1", "18000205"]
    assert f"<text:p>{row[0]}</text:p>" in sheet


def test_csv_distinguishes_null_from_an_empty_text():
    assert to_csv(ResultSet(columns=["a", "b", "is_c"], rows=[(None, "", True)])) == 'a,b,is_c\n,"",true\n'


def test_json_is_a_list_of_objects():
    assert to_objects(ResultSet(columns=["a", "b"], rows=[("=1", None)])) == [{"a": "=1", "b": None}]


def test_a_table_sends_a_terminal_no_control_characters(capsys):
    print_table(ResultSet(columns=["words"], rows=[("\x1b[31m[bold]red[/bold]\u202e\x07",)]), console=Console())
    printed = capsys.readouterr().out
    assert "\\x1b[31m[bold]red[/bold]\\u202e\\x07" in printed
    assert "\x1b" not in printed
