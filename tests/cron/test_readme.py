"""The page for operators says of each exit code what the files do."""

import re
from pathlib import Path

import pytest

from etl.exit_codes import ExitCode

CRON = Path(__file__).parents[2] / "cron"
README = (CRON / "README.md").read_text()


@pytest.fixture(scope="module")
def retried() -> dict[int, str]:
    rows = re.findall(r"^\| (\d+) \| [^|]+ \| (yes|no|–) \| [^|]+ \|$", README, re.MULTILINE)  # noqa: RUF001
    return {int(code): answer for code, answer in rows}


def test_every_exit_code_is_explained_once(retried):
    assert sorted(retried) == sorted(ExitCode)
    assert all(len(re.findall(rf"^\| {int(code)} \|", README, re.MULTILINE)) == 1 for code in ExitCode)


def test_it_says_yes_where_the_files_try_again(retried, retryable, final):
    assert {code for code, answer in retried.items() if answer == "yes"} == retryable
    assert {code for code, answer in retried.items() if answer == "no"} == final


def test_the_files_it_names_exist():
    named = re.findall(r"(?:cron/|(?=kubernetes/))((?:systemd/|kubernetes/)?[\w.-]+)", README)
    links = re.findall(r"\]\(([^)]+)\)", README)

    assert named
    assert all((CRON / name).exists() for name in [*named, *links]), named


def test_it_is_one_page():
    assert len(README.splitlines()) < 100
