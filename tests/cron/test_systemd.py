"""The units are accepted by systemd, retry what the exit codes say, and end before morning."""

import re
import shutil
import subprocess
from collections import defaultdict
from datetime import timedelta
from pathlib import Path

import pytest

from etl.settings.model import TelemetrySettings

SYSTEMD = Path(__file__).parents[2] / "cron" / "systemd"
PROGRAM = "/opt/task-audit/bin/task-audit"
UNITS = {"h": "hours", "min": "minutes", "s": "seconds", "": "seconds"}


def installed_version() -> int:
    """Return the version of systemd on this machine, or 0 without systemd."""
    if not shutil.which("systemd-analyze"):
        return 0
    shown = subprocess.run(["systemd-analyze", "--version"], check=True, capture_output=True, text=True).stdout
    return int(re.match(r"systemd (\d+)", shown)[1])


needs_systemd = pytest.mark.skipif(
    installed_version() < 252, reason="systemd-analyze 252 or newer is not installed; only the parsed units are checked"
)


def unit(name: str) -> dict[str, dict[str, list[str]]]:
    """Parse a unit, in which a key may occur more than once; configparser would keep the last value only."""
    sections: dict[str, dict[str, list[str]]] = {}
    for line in (SYSTEMD / name).read_text().splitlines():
        if header := re.fullmatch(r"\[(\w+)\]", line):
            section = sections.setdefault(header[1], defaultdict(list))
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            section[key].append(value)
    return sections


def seconds(span: str) -> float:
    number, name = re.fullmatch(r"(\d+)([a-z]*)", span).groups()
    return timedelta(**{UNITS[name]: int(number)}).total_seconds()


@pytest.fixture(scope="module")
def service():
    return unit("task-audit.service")


@pytest.fixture(scope="module")
def timer():
    return unit("task-audit.timer")


@pytest.fixture
def installed(tmp_path):
    """The units with a program that exists, since systemd checks that."""
    program = tmp_path / "task-audit"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    for path in SYSTEMD.iterdir():
        (tmp_path / path.name).write_text(path.read_text().replace(PROGRAM, str(program)))
    return tmp_path


@needs_systemd
@pytest.mark.parametrize("name", sorted(path.name for path in SYSTEMD.iterdir()))
def test_systemd_accepts_the_unit_without_a_warning(installed, name):
    command = ["systemd-analyze", "verify", "--recursive-errors=no", installed / name]
    verified = subprocess.run(command, check=False, capture_output=True, text=True)

    assert (verified.stdout, verified.stderr, verified.returncode) == ("", "", 0)


@needs_systemd
@pytest.mark.parametrize("name", ["task-audit.service", "task-audit-digest.service"])
def test_systemd_rates_the_service_as_safe(installed, name):
    # The score is 0 to 10, the threshold in tenths; the network access that an API client needs is most of the rest.
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=15", installed / name]
    rated = subprocess.run(command, check=False, capture_output=True, text=True)

    assert rated.returncode == 0, rated.stdout


def test_the_service_runs_once_as_its_own_user(service):
    assert service["Service"]["Type"] == ["oneshot"]
    assert service["Service"]["User"] == service["Service"]["Group"] == ["task-audit"]
    (command,) = service["Service"]["ExecStart"]
    assert command.startswith(f"{PROGRAM} run ")


def test_a_code_that_needs_a_person_is_not_retried(service, final):
    (prevented,) = service["Service"]["RestartPreventExitStatus"]

    assert {int(code) for code in prevented.split()} == final


def test_every_other_failure_is_retried(service, retryable):
    assert service["Service"]["Restart"] == ["on-failure"]
    # Before version 256 systemd refuses a oneshot that has it; on-failure says the same without it.
    assert "RestartForceExitStatus" not in service["Service"]
    # A code that counts as success would neither be retried nor appear in "systemctl --failed".
    assert "SuccessExitStatus" not in service["Service"]


def test_all_attempts_of_a_night_end_before_morning(service, timer):
    (command,) = service["Service"]["ExecStart"]
    attempts = int(service["Unit"]["StartLimitBurst"][0])
    attempt = seconds(re.search(r"--max-duration (\S+)", command)[1])
    between = seconds(service["Service"]["RestartSec"][0])
    late = sum(seconds(timer["Timer"][key][0]) for key in ("RandomizedDelaySec", "AccuracySec"))
    hour = int(re.search(r" (\d\d):00:00 UTC", timer["Timer"]["OnCalendar"][0])[1])

    assert hour * 3600 + late + attempts * attempt + (attempts - 1) * between < 6 * 3600


def test_the_limit_of_attempts_is_for_one_night(service):
    interval = seconds(service["Unit"]["StartLimitIntervalSec"][0])
    attempts = int(service["Unit"]["StartLimitBurst"][0])
    longest = seconds(service["Service"]["TimeoutStartSec"][0]) + seconds(service["Service"]["TimeoutStopSec"][0])

    assert attempts * (longest + seconds(service["Service"]["RestartSec"][0])) < interval < 24 * 3600


def test_a_run_ends_itself_before_systemd_does(service):
    (command,) = service["Service"]["ExecStart"]
    longest = seconds(re.search(r"--max-duration (\S+)", command)[1])

    assert seconds(service["Service"]["TimeoutStartSec"][0]) >= longest + 300


def test_a_run_gets_sigterm_and_time_to_end_cleanly(service):
    assert service["Service"]["KillSignal"] == ["SIGTERM"]
    assert service["Service"]["KillMode"] == ["mixed"]
    assert seconds(service["Service"]["TimeoutStopSec"][0]) == 120


def test_the_credentials_have_the_names_of_settings(service):
    credentials = dict(value.split(":") for value in service["Service"]["LoadCredential"])

    assert set(credentials) == {"api__token", "source__url", "warehouse__url"}
    assert credentials == {name: f"/etc/task-audit/secrets/{name}" for name in credentials}
    assert "TASK_AUDIT_SECRETS_DIR=%d" in service["Service"]["Environment"]


@pytest.mark.parametrize(
    "key",
    [
        "NoNewPrivileges",
        "PrivateDevices",
        "PrivateTmp",
        "ProtectControlGroups",
        "ProtectHome",
        "ProtectKernelModules",
        "ProtectKernelTunables",
        "RestrictNamespaces",
        "RestrictSUIDSGID",
    ],
)
def test_the_service_is_locked_down(service, key):
    assert service["Service"][key] == ["true"]


def test_the_service_writes_only_into_its_state_directory_and_the_folder_of_the_textfile(service):
    textfile = Path(TelemetrySettings.model_fields["metrics_textfile"].examples[0])
    text = (SYSTEMD / "task-audit.service").read_text(encoding="utf-8")
    assert service["Service"]["ProtectSystem"] == ["strict"]
    assert service["Service"]["StateDirectory"] == ["task-audit"]
    assert service["Service"]["WorkingDirectory"] == ["%S/task-audit"]
    assert "LogsDirectory" not in service["Service"]
    # The minus sign lets the unit start without the folder.
    assert service["Service"]["ReadWritePaths"] == [f"-{textfile.parent}"]
    assert f"#Environment=TASK_AUDIT_TELEMETRY__METRICS_TEXTFILE={textfile}\n" in text


def test_polars_can_be_imported(service):
    # Its CPU check executes memory it has just written.
    assert "MemoryDenyWriteExecute" not in service["Service"]


def test_the_timer_starts_every_night_in_utc_and_makes_up_for_a_missed_one(timer):
    assert timer["Timer"]["OnCalendar"] == ["*-*-* 01:00:00 UTC"]
    assert timer["Timer"]["Persistent"] == ["true"]
    assert timer["Timer"]["FixedRandomDelay"] == ["true"]
    assert timer["Install"]["WantedBy"] == ["timers.target"]


def test_the_digest_is_sent_between_the_last_attempt_and_the_next_night_and_retried_as_a_run(service):
    digest, morning = unit("task-audit-digest.service"), unit("task-audit-digest.timer")
    hour = int(re.search(r" (\d\d):00:00 UTC", morning["Timer"]["OnCalendar"][0])[1])

    assert 6 <= hour < 18
    for key in ("Restart", "RestartPreventExitStatus"):
        assert digest["Service"][key] == service["Service"][key]


def test_the_digest_has_the_rights_of_a_run_and_no_secret_of_the_api(service):
    digest = unit("task-audit-digest.service")
    own = {"ExecStart", "LoadCredential", "TimeoutStartSec"}
    of_a_run = {"KillSignal", "KillMode", "TimeoutStopSec", "ReadWritePaths"}

    same = service["Service"].keys() - own - of_a_run
    assert {key: digest["Service"][key] for key in same} == {key: service["Service"][key] for key in same}
    credentials = [value.partition(":")[0] for value in digest["Service"]["LoadCredential"]]
    assert credentials == ["warehouse__url", "notify__webhook_url"]
