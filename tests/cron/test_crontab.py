"""The crontab is valid for cron, and its job line does what its comments say."""

import re
import shutil
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from etl.exit_codes import ExitCode

CRON = Path(__file__).parents[2] / "cron"
CRONTAB = (CRON / "crontab").read_text()
FIELDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
"""Minute, hour, day of the month, month, day of the week."""

needs_flock = pytest.mark.skipif(
    not shutil.which("flock"), reason="flock (util-linux) is not installed, so the job line cannot be run here"
)


@dataclass(frozen=True)
class Job:
    """A line of /etc/cron.d."""

    schedule: tuple[str, ...]
    user: str
    command: str


def _lines() -> list[str]:
    return [line for line in CRONTAB.splitlines() if line and not line.startswith("#")]


ENVIRONMENT = dict(line.split("=", 1) for line in _lines() if re.match(r"\w+=", line))
JOBS = [
    Job(tuple((parts := line.split(maxsplit=6))[:5]), *parts[5:]) for line in _lines() if not re.match(r"\w+=", line)
]


@pytest.fixture(params=JOBS, ids=lambda job: " ".join(job.schedule))
def job(request):
    return request.param


def test_every_line_has_a_comment_above_it():
    lines = CRONTAB.splitlines()

    for number, line in enumerate(lines):
        if line and not line.startswith("#"):
            assert lines[number - 1].startswith("#"), line


def test_the_last_line_ends_with_a_newline():
    assert CRONTAB.endswith("\n")
    assert "\r" not in CRONTAB


def test_there_is_a_job():
    assert JOBS


def test_the_environment_is_complete():
    assert ENVIRONMENT["CRON_TZ"] == "UTC"
    assert ENVIRONMENT["SHELL"] == "/bin/sh"
    assert {"/usr/bin", "/bin", "/usr/sbin"} <= set(ENVIRONMENT["PATH"].split(":"))
    assert ENVIRONMENT["MAILTO"]
    # cron expands no variable here.
    assert not any("$" in value for value in ENVIRONMENT.values())


def test_five_fields_are_times_and_the_sixth_is_the_user(job):
    for field, (low, high) in zip(job.schedule, FIELDS, strict=True):
        assert all(part == "*" or low <= int(part) <= high for part in field.split(","))
    assert job.user == "task-audit"


def test_every_percent_sign_is_escaped(job):
    assert not re.search(r"(?<!\\)%", job.command)


def test_a_lock_prevents_two_runs_at_once(job):
    assert job.command.startswith(f"/usr/bin/flock -n -E {ExitCode.STOPPED} -F /var/lib/task-audit/")


def test_a_run_ends_before_morning(job):
    stop_at = re.search(r"--stop-at (\d\d):(\d\d)", job.command)
    last_hour = max(int(hour) for hour in job.schedule[1].split(","))

    assert stop_at.groups() == ("06", "00")
    assert last_hour < 6


def test_every_path_is_absolute_and_the_same_as_in_the_other_files(job):
    unit = (CRON / "systemd" / "task-audit.service").read_text()
    program = re.search(r"(\S*/task-audit) run", job.command)[1]
    log = re.search(r">>(\S+)", job.command)[1]

    assert f"ExecStart={program} run" in unit
    assert f"Environment=TASK_AUDIT_CONFIG={ENVIRONMENT['TASK_AUDIT_CONFIG']}" in unit
    assert f"{ENVIRONMENT['TASK_AUDIT_SECRETS_DIR']}/api__token" in unit
    assert re.search(rf"^{re.escape(log)} {{$", (CRON / "logrotate").read_text(), re.MULTILINE)
    assert all(path.startswith("/") for path in (program, log, *ENVIRONMENT["PATH"].split(":")))


@pytest.fixture
def run(job, tmp_path):
    """Run the job line as cron does, with its folders in tmp_path and a program that ends with a given code."""

    def run_with(code: int) -> subprocess.CompletedProcess[str]:
        program = tmp_path / "opt/task-audit/bin/task-audit"
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(f'#!/bin/sh\necho "$@"\nexit {code}\n')
        program.chmod(0o755)
        command = re.sub(r"/(opt|var)/", rf"{tmp_path}/\1/", job.command)
        command = command.replace("/usr/bin/flock", shutil.which("flock"))
        shell = [ENVIRONMENT["SHELL"], "-c", command]
        return subprocess.run(shell, check=False, capture_output=True, text=True, env={}, cwd="/")

    for folder in ("lib", "log"):
        (tmp_path / "var" / folder / "task-audit").mkdir(parents=True)
    return run_with


@contextmanager
def held(lock: Path):
    """Hold the lock with a second flock, like a run that is still going on."""
    command = ["flock", "-n", "-E", str(int(ExitCode.STOPPED)), lock, "cat"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        holder.stdin.write("held\n")
        holder.stdin.flush()
        assert holder.stdout.readline() == "held\n"
        yield
        holder.stdin.close()


@needs_flock
def test_a_good_run_is_silent_and_logged(run, tmp_path):
    done = run(ExitCode.OK)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "var/log/task-audit/run.log").read_text() == "run --stop-at 06:00 --log-format json\n"


@needs_flock
@pytest.mark.parametrize("code", [code for code in ExitCode if code is not ExitCode.OK])
def test_any_other_run_causes_one_line_of_mail_with_its_code(run, code):
    done = run(code)

    assert done.returncode == code
    assert done.stdout.startswith(f"task-audit ended with exit code {int(code)}, see /")
    assert done.stdout.count("\n") == 1


@needs_flock
def test_a_run_during_another_ends_with_75_and_starts_nothing(run, tmp_path):
    lock = tmp_path / "var/lib/task-audit/run.lock"

    with held(lock):
        met = run(ExitCode.OK)

    assert met.returncode == ExitCode.STOPPED
    assert (tmp_path / "var/log/task-audit/run.log").read_text() == ""
    assert run(ExitCode.OK).returncode == 0
