"""`task-audit doctor` finds each thing that a run needs and that is missing; each test breaks one for real."""

import json
import os
import socket
import tempfile
from pathlib import Path

import pytest
from pydantic import SecretStr

from etl.exit_codes import ExitCode
from etl.fake_api import Behaviour, Fault
from etl.jobs.doctor import Finding, State, verdict
from tests.nights import TOKEN


def examine(night, *arguments):
    result = night.run("doctor", "--json", *arguments)
    assert TOKEN.removeprefix("Bearer ") not in result.stdout + result.stderr
    return json.loads(result.stdout), result.exit_code


def finding_of(night, subject, state):
    """Return the text of all findings about a subject, and the exit code."""
    findings, code = examine(night)
    message = [
        f"{each['said']} {each['remedy']}" for each in findings if (each["subject"], each["state"]) == (subject, state)
    ]
    assert message, findings
    return "\n".join(message), code


def test_a_complete_installation_is_ok_on_all_engines_and_nothing_is_changed(night_of, databases):
    with night_of(source_url=databases[0], warehouse_url=databases[1]) as night:
        night.enqueue("1534087020903704704")
        before = night.rows("SELECT * FROM pending_task", "source")
        findings, code = examine(night)
        assert code == ExitCode.OK
        assert {each["state"] for each in findings} == {"ok"}
        subjects = {each["subject"] for each in findings}
        assert subjects >= {"settings", "secrets", "pending database", "warehouse", "API"}
        assert night.api.stats.requests == 1
        assert night.rows("SELECT * FROM pending_task", "source") == before
        assert night.rows("SELECT COUNT(*) FROM fact_task_status") == [(0,)]
        lines = night.run("doctor").stdout.splitlines()
        assert len(lines) == len(findings)
        assert all(line.startswith("ok ") for line in lines)


def test_a_wrong_configuration_is_one_line(night_of, configure):
    with night_of() as night:
        configure(api__max_rat=3)
        result = night.run("doctor")
        assert result.exit_code == ExitCode.CONFIGURATION
        assert result.stdout.startswith("failure  settings: ")
        assert "TASK_AUDIT_API__MAX_RAT" in result.stdout


def test_a_database_that_does_not_exist_hides_no_other_finding(night_of, configure, tmp_path):
    with night_of() as night:
        configure(warehouse__url=f"duckdb:///{tmp_path}/nowhere.duckdb")
        message, code = finding_of(night, "warehouse", "failure")
        assert "does not exist" in message
        assert "task-audit init" in message
        assert code == ExitCode.CONFIGURATION
        assert finding_of(night, "API", "ok")
        assert finding_of(night, "pending database", "ok")


def test_a_database_of_a_newer_version(night_of):
    with night_of() as night:
        night.change("UPDATE task_audit_version SET version_num = 'w9999'", "warehouse")
        message, code = finding_of(night, "warehouse", "failure")
        assert "newer than this program" in message
        assert code == ExitCode.CONFIGURATION


def test_a_database_server_that_is_down(night_of, configure):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with night_of() as night:
        configure(source__url=f"postgresql://job:CANARY-pw@127.0.0.1:{port}/drive")
        message, code = finding_of(night, "pending database", "failure")
        assert "CANARY" not in message
        assert code == ExitCode.UNAVAILABLE


def test_a_user_without_the_right_to_write(night_of, postgres_url):
    url = SecretStr(postgres_url)
    with night_of(source_url=url, warehouse_url=url) as night:
        name = f"reader_{os.getpid()}"
        night.change(f"CREATE USER {name}")
        night.change(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {name}")
        try:
            os.environ["TASK_AUDIT_WAREHOUSE__URL"] = postgres_url.replace("postgres:@", f"{name}:@")
            message, code = finding_of(night, "warehouse", "failure")
            assert "permission denied" in message
            assert code == ExitCode.CONFIGURATION
        finally:
            night.change(f"DROP OWNED BY {name}")
            night.change(f"DROP USER {name}")


def test_a_pending_table_of_the_user(night_of, configure):
    with night_of() as night:
        night.change("CREATE TABLE mine (id TEXT)")
        configure(source__mode="read_only", source__table="mine", source__task_id_column="id")
        assert "never written to" in finding_of(night, "pending database", "ok")[0]
        configure(source__task_id_column="nowhere")
        message, code = finding_of(night, "pending database", "failure")
        assert "cannot be read as configured" in message
        assert code == ExitCode.CONFIGURATION


def test_a_pending_table_of_the_user_is_examined_before_there_is_a_warehouse(night_of, configure, tmp_path):
    with night_of() as night:
        night.change("CREATE TABLE mine (id TEXT)")
        configure(source__mode="read_only", source__table="mine", source__task_id_column="id")
        configure(warehouse__url=f"duckdb:///{tmp_path}/none.duckdb")
        assert "never written to" in finding_of(night, "pending database", "ok")[0]
        assert "task-audit init" in finding_of(night, "warehouse", "failure")[0]


def test_credentials_that_are_refused(night_of, configure):
    with night_of() as night:
        configure(api__token="Bearer CANARY-wrong")
        message, code = finding_of(night, "API", "failure")
        assert "refuses the credentials" in message
        assert "CANARY" not in message
        assert code == ExitCode.CREDENTIALS


def test_an_api_that_is_down(night_of, configure):
    with night_of() as night:
        base_url = night.api.base_url
    configure(api__base_url=base_url)
    message, code = finding_of(night, "API", "failure")
    assert "does not answer" in message
    assert code == ExitCode.UNAVAILABLE


@pytest.mark.parametrize(
    ("fault", "state", "message", "exit_code"),
    [
        ("wrong_task", "failure", "does not answer as KooDrive", ExitCode.UNAVAILABLE),
        ("truncated_json", "failure", "does not answer as KooDrive", ExitCode.CONFIGURATION),
        ("html_404", "failure", "does not answer as KooDrive", ExitCode.CONFIGURATION),
        ("json_405", "failure", "does not answer as KooDrive", ExitCode.CONFIGURATION),
        ("html_407", "failure", "HTTP 407", ExitCode.CREDENTIALS),
        ("html_200", "failure", "text/html, not JSON", ExitCode.UNAVAILABLE),
        ("http_500", "failure", "does not answer", ExitCode.UNAVAILABLE),
        ("http_403_plain", "failure", "HTTP 403: Forbidden", ExitCode.CREDENTIALS),
        ("http_429", "warning", "throttles", ExitCode.OK),
        ("not_found", "ok", "accepts the credentials", ExitCode.OK),
    ],
)
def test_responses_of_the_api(night_of, fault, state, message, exit_code):
    with night_of(Behaviour(token=TOKEN, faults=(Fault(name=fault, task_ids=frozenset({"1"})),))) as night:
        text, code = finding_of(night, "API", state)
        assert message in text
        assert code == exit_code


def test_a_header_that_is_missing(night_of, monkeypatch):
    with night_of() as night:
        monkeypatch.delenv("TASK_AUDIT_API__USER_ID")
        message, code = finding_of(night, "API", "failure")
        assert "X-User-Id" in message
        assert code == ExitCode.CONFIGURATION


def test_the_proxy_of_each_server(night_of, configure, monkeypatch):
    with night_of() as night:
        monkeypatch.setenv("HTTP_PROXY", "http://job:CANARY-pw@proxy.internal:3128")
        monkeypatch.setenv("NO_PROXY", "10.0.0.0/8")
        monkeypatch.setenv("HTTPS_PROXY", "socks5://proxy.internal:1080")
        configure(
            telemetry__pushgateway_url="http://gateway.example:9091",
            telemetry__openlineage_url="http://10.1.2.3:5000",
            notify__webhook_url="https://hooks.example/CANARY-hook",
        )
        findings, code = examine(night)
        proxies = {(each["state"], each["said"]) for each in findings if each["subject"] == "proxy"}
    assert {message for state, message in proxies if state == "ok"} == {
        "api.base_url is reached directly.",
        "telemetry.openlineage_url is reached directly.",
        "telemetry.pushgateway_url is reached through the proxy http://proxy.internal:3128, which HTTP_PROXY names.",
    }
    (failure,) = (message for state, message in proxies if state == "failure")
    assert failure.startswith("HTTPS_PROXY names a SOCKS proxy")
    assert "CANARY" not in str(findings)
    assert code == ExitCode.CONFIGURATION


def test_a_clock_that_is_far_off(night_of):
    with night_of(Behaviour(token=TOKEN, clock_offset_seconds=600)) as night:
        message, code = finding_of(night, "API", "warning")
        assert "ahead of ours" in message
        assert code == ExitCode.OK


def test_a_secret_file_that_other_users_can_read(night_of, monkeypatch, configure, tmp_path):
    with night_of() as night:
        monkeypatch.delenv("TASK_AUDIT_API__TOKEN")
        file = tmp_path / "token"
        file.write_text(TOKEN)
        file.chmod(0o644)
        configure(api__token_file=file)
        assert f"chmod o-r {file}" in finding_of(night, "secrets", "warning")[0]
        file.chmod(0o600)
        assert "1 files" in finding_of(night, "secrets", "ok")[0]
        monkeypatch.delenv("TASK_AUDIT_API__TOKEN_FILE")
        whole = tmp_path / "job.toml"
        whole.write_text(f"[api]\ntoken = '{TOKEN}'\n")
        whole.chmod(0o604)
        configure(config=whole)
        assert f"chmod o-r {whole}" in finding_of(night, "secrets", "warning")[0]


def test_a_database_file_that_all_users_can_read(night_of):
    # Pytest makes its folders for one user, and no other could enter them.
    with tempfile.TemporaryDirectory() as folder:
        pending, warehouse = (Path(folder, name) for name in ("pending.sqlite", "warehouse.duckdb"))
        with night_of(None, SecretStr(f"sqlite:///{pending}"), SecretStr(f"duckdb:///{warehouse}")) as night:
            pending.chmod(0o600)
            warehouse.chmod(0o644)
            assert not any(each["subject"] == "database files" for each in examine(night)[0])

            Path(folder).chmod(0o755)

            message, code = finding_of(night, "database files", "warning")
            assert message.startswith(f"All users of this machine can read {warehouse}. chmod 600 {warehouse};")
            assert code == ExitCode.OK
            warehouse.chmod(0o640)
            pending.chmod(0o606)
            assert f"can read and change {pending}. chmod 600" in finding_of(night, "database files", "warning")[0]


def test_a_disk_that_is_almost_full(night_of, monkeypatch, tmp_path):
    with night_of() as night:
        for free, state, exit_code in ((500 << 20, "warning", ExitCode.OK), (1 << 20, "failure", ExitCode.UNAVAILABLE)):
            usage = type("usage", (), {"free": free})
            monkeypatch.setattr("shutil.disk_usage", lambda folder, usage=usage: usage)
            message, code = finding_of(night, "disk", state)
            assert str(tmp_path) in message
            assert code == exit_code


def test_the_exit_code_is_that_of_the_gravest_failure():
    def failure(code):
        return Finding(subject="x", state=State.FAILURE, said="x", exit_code=code)

    codes = [ExitCode.UNAVAILABLE, ExitCode.CREDENTIALS, ExitCode.CONFIGURATION]
    assert verdict([failure(code) for code in codes]) == ExitCode.CONFIGURATION
    assert verdict([failure(code) for code in codes[:2]]) == ExitCode.CREDENTIALS
    assert verdict([Finding(subject="x", state=State.WARNING, said="x")]) == ExitCode.OK
