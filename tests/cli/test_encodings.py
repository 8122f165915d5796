"""Stdout in the encodings of other countries: data are UTF-8, and a terminal gets what it can show."""

import json
import os
import subprocess
import sys

import pytest

from tests.nights import task_ids
from tests.terminals import on_a_terminal

JOB = [sys.executable, "-m", "etl"]
LABEL = "移交 Größe"
NAME = "批量导入-华东"
"""A name that the stand-in gives to tasks."""

HEADER = "dimension,code,label,category,remedy"

pytestmark = pytest.mark.slow


@pytest.fixture
def night(night_of, tmp_path):
    file = tmp_path / "given.csv"
    file.write_text(f"{HEADER}\ntask_type,0,{LABEL},,\n", encoding="utf-8")
    with night_of() as night:
        night.enqueue(*task_ids(20))
        assert night.run("run").exit_code == 0
        assert night.run("labels", "import", file).exit_code == 0
        yield night


def piped(*arguments, encoding, given=None):
    environment = os.environ | {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    return subprocess.run(
        [*JOB, *arguments], env=environment, input=given, capture_output=True, timeout=60, check=False
    )


def test_labels_exported_in_another_locale_can_be_imported_again(night):
    exported = piped("labels", "export", encoding="gbk")
    assert LABEL in exported.stdout.decode("utf-8")
    imported = piped("labels", "import", "-", encoding="gbk", given=exported.stdout)
    assert (imported.returncode, imported.stderr) == (0, b"")
    assert piped("labels", "export", encoding="ascii").stdout == exported.stdout


def test_a_pipe_gets_an_answer_in_utf_8(night):
    for form in ("csv", "json", "table"):
        answered = piped("query", "as_of", "--format", form, encoding="latin-1")
        assert (answered.returncode, answered.stderr) == (0, b"")
        assert NAME in answered.stdout.decode("utf-8")


def test_a_file_name_that_is_no_utf_8_is_no_bug(night, tmp_path):
    (tmp_path / os.fsdecode(b"\xff.csv")).touch()
    finished = subprocess.run(
        [*JOB, "enqueue", "--file", b"\xff.csv"], cwd=tmp_path, capture_output=True, timeout=60, check=False
    )
    assert (finished.returncode, finished.stderr) == (0, b"")
    assert finished.stdout.decode("utf-8").startswith("\\udcff.csv has no tasks")


def test_a_terminal_gets_what_it_can_show(night):
    question = ("query", "as_of")
    (in_gbk,) = on_a_terminal(question, encoding="gbk")
    assert NAME.encode("gbk") in in_gbk
    in_ascii, as_json = on_a_terminal(question, (*question, "--format", "json"), encoding="ascii")
    assert b"????-??" in in_ascii
    assert len(json.loads(as_json)) == 20
