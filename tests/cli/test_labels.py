"""`task-audit labels`, and the codes without an explanation in `task-audit status`."""

import io
import json

from tests.nights import task_ids
from tests.reported_errors import reported_error

HEADER = "dimension,code,title,category,action\n"


def test_imported_labels_explain_the_codes_of_a_run(night_of, tmp_path):
    file = tmp_path / "labels.csv"
    with night_of() as night:
        night.enqueue(*task_ids(200))
        assert night.run("run").exit_code == 0
        exported = night.run("labels", "export")
        assert exported.exit_code == 0
        unexplained = json.loads(night.run("status", "--json").stdout)["unexplained"]
        empty = [line.split(",") for line in exported.stdout.splitlines() if line.endswith(",,,")]
        codes = [code for dimension, code, *_ in empty if dimension != "tenant"]
        assert len(codes) < len(empty)
        assert sum(unexplained.values()) == len(codes) > 0
        assert "Not explained yet:" in night.run("status").stdout

        file.write_text(exported.stdout.replace(",,,", ",Explained,quota,Buy space"), encoding="utf-8")
        assert "0 of codes that no run has met yet." in night.run("labels", "import", file).stdout
        assert set(json.loads(night.run("status", "--json").stdout)["unexplained"].values()) == {0}
        assert "Not explained yet:" not in night.run("status").stdout
        assert night.run("query", "unexplained_codes", "--format", "json").stdout.strip() == "[]"

        night.enqueue(*task_ids(300))
        assert night.run("run").exit_code == 0
        assert night.run("labels", "export").stdout.count(",Explained,quota,Buy space") == len(empty)


def test_a_file_for_a_spreadsheet_can_be_imported_as_it_is(night_of, tmp_path):
    file = tmp_path / "labels.csv"
    with night_of() as night:
        night.enqueue(*task_ids(100))
        assert night.run("run").exit_code == 0
        exported = night.run("labels", "export", "--format", "csv-excel").stdout
        assert exported.startswith("\ufeffdimension,code")
        assert '"=""18000' in exported
        file.write_text(exported.replace(",,,", ",配额已用完,,"), encoding="utf-8")
        assert ", 0 of codes that no run has met yet." in night.run("labels", "import", file).stdout
        assert set(json.loads(night.run("status", "--json").stdout)["unexplained"].values()) == {0}


def test_a_wrong_file_changes_nothing(night_of, tmp_path):
    file = tmp_path / "labels.csv"
    with night_of() as night:
        file.write_text(HEADER + "task_type,0,Handed over,,\ntask_type,zero,Nothing,,\n", encoding="utf-8")
        before = night.run("labels", "export").stdout
        result = night.run("labels", "import", file)
        assert result.exit_code == 2
        assert reported_error(result).endswith(
            "labels.csv, line 3, column code: 'zero' is not the number of a task type. "
            "Nothing was imported. Fix the file and import it again."
        )
        assert result.stdout == ""
        assert night.run("labels", "export").stdout == before


def test_a_file_from_standard_input(night_of, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(f"{HEADER}task_type,0,Handed over,,\n".encode())))
    with night_of() as night:
        assert night.run("labels", "import", "-").stdout.startswith("1 imported")
        assert "task_type,0,Handed over,," in night.run("labels", "export").stdout


def test_the_import_names_codes_that_no_run_has_met(night_of, tmp_path):
    file = tmp_path / "labels.csv"
    file.write_text(HEADER + "".join(f"result_code,{n},a,,\n" for n in range(7)), encoding="utf-8")
    with night_of() as night:
        result = night.run("labels", "import", file)
    assert result.exit_code == 0
    assert result.stdout == "0 imported, 7 of codes that no run has met yet.\n"
    assert result.stderr.strip().endswith("0, 1, 2, 3, 4, …")
