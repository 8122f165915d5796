"""The job behind squid, which demands a password; a private authority has issued the certificate of the API."""

import subprocess
import time
from contextlib import contextmanager

import pytest

from etl.fake_api import Behaviour
from tests.certificates import make_authority
from tests.field.parts import folder_for, free_port, program, running
from tests.nights import TOKEN, task_ids
from tests.relays import in_thread, speaking_tls
from tests.webhooks import receiving

pytestmark = [pytest.mark.field, pytest.mark.slow]

HOST, FORBIDDEN, GATEWAY = "koodrive.example", "forbidden.example", "gateway.example"
PASSWORD = "CANARY-p@ss/w0rd"
ACCOUNT = "job:CANARY-p%40ss%2Fw0rd"
WRONG = "job:CANARY-wrong"

CONFIGURATION = """
http_port 127.0.0.1:{port}
hosts_file {folder}/hosts
dns_nameservers 127.0.0.1
dns_timeout 1 seconds
auth_param basic program /usr/lib/squid/basic_ncsa_auth {folder}/users
acl known proxy_auth REQUIRED
acl forbidden dstdomain {forbidden}
http_access deny !known
http_access deny forbidden
http_access allow known
cache deny all
pid_filename {folder}/pid
access_log stdio:{folder}/access.log
cache_log {folder}/cache.log
coredump_dir {folder}
shutdown_lifetime 0 seconds
"""


@pytest.fixture(scope="module")
def squid():
    """Run squid, and return its host and port."""
    port = free_port()
    command = [program("squid"), "-N", "-f"]
    with folder_for("proxy") as folder:
        hashed = subprocess.run(
            [program("openssl"), "passwd", "-apr1", "-stdin"],
            input=PASSWORD,
            capture_output=True,
            text=True,
            check=True,
        )
        (folder / "users").write_text(f"job:{hashed.stdout}", encoding="utf-8")
        (folder / "hosts").write_text(f"127.0.0.1 {HOST} {FORBIDDEN} {GATEWAY}\n", encoding="utf-8")
        text = CONFIGURATION.format(port=port, folder=folder, forbidden=FORBIDDEN)
        (folder / "squid.conf").write_text(text, encoding="utf-8")
        with running([*command, folder / "squid.conf"], port=port, log=folder / "output"):
            yield f"127.0.0.1:{port}"


@pytest.fixture
def night_behind_squid(night_of, squid, configure, tmp_path):
    """Open a night whose API is behind TLS and squid."""

    @contextmanager
    def open_night(account=ACCOUNT, host=HOST):
        authority = make_authority(tmp_path / "authority")
        with (
            night_of(Behaviour(token=TOKEN)) as night,
            in_thread(speaking_tls(authority.server_context(host), night.api.base_url)) as port,
        ):
            configure(
                api__base_url=f"https://{host}:{port}",
                api__ca_file=authority.certificate,
                api__proxy=f"http://{account}@{squid}",
            )
            yield night

    return open_night


def run(night, *arguments):
    """Run a command, and check that it prints no password."""
    result = night.run(*arguments)
    assert "CANARY" not in result.stdout + result.stderr
    return result


def test_every_task_is_audited_through_squid_with_a_password(night_behind_squid, squid):
    ids = task_ids(1000)
    with night_behind_squid() as night:
        night.enqueue(*ids)
        assert f"through the proxy http://{squid}, which api.proxy names" in run(night, "doctor").stdout
        assert run(night, "run").exit_code == 0
        assert night.facts() == night.truth(ids)
        assert "CANARY" not in str(night.rows("SELECT * FROM audit_run"))


MAX_SECONDS = 300
"""A loaded machine needs a minute for two commands, and a run that waits takes ``api.patience_seconds``, 900."""


@pytest.mark.parametrize(
    ("account", "host", "code", "message"),
    [
        (WRONG, HOST, 77, "refuses the user or the password"),
        ("job:", HOST, 77, "refuses the user or the password"),
        (ACCOUNT, FORBIDDEN, 78, "does not connect to the API: HTTP 403"),
        (ACCOUNT, "unknown.example", 69, "answers HTTP 5"),
    ],
)
def test_a_refusal_of_squid_ends_the_run_and_names_squid(
    night_behind_squid, configure, squid, *, account, host, code, message
):
    with night_behind_squid(account, host) as night:
        if code == 69:
            # A run waits for a proxy that does not find KooDrive, and for nothing else.
            configure(api__patience_seconds=1)
        night.enqueue(*task_ids(30))
        started_at = time.monotonic()
        for command in ("doctor", "run"):
            result = run(night, command)
            assert result.exit_code == code
            assert message in result.stdout + result.stderr
            assert squid in result.stdout + result.stderr
            if code != 69:
                # The first refusal ends the run: it waits for nothing, on a machine of any load.
                assert "paused" not in result.stderr
        assert time.monotonic() - started_at < MAX_SECONDS
        assert set(night.states().values()) == {"pending"}
        assert night.rows("SELECT COUNT(*) FROM dead_letter") == [(0,)]
        assert "CANARY" not in str(night.rows("SELECT * FROM audit_run"))


TARGETS = {
    "telemetry__pushgateway_url": "/metrics/job/task-audit",
    "telemetry__otlp_endpoint": "/v1/traces",
    "telemetry__openlineage_url": "/api/v1/lineage",
}


@pytest.mark.parametrize("setting", TARGETS)
@pytest.mark.parametrize(("account", "arrives"), [(ACCOUNT, True), (WRONG, False)])
def test_the_monitoring_servers_are_reached_through_squid(
    night_of, squid, configure, *, monkeypatch, setting, account, arrives
):
    monkeypatch.setenv("HTTP_PROXY", f"http://{account}@{squid}")
    with night_of() as night, receiving("") as receiver:
        configure(**{setting: receiver.url.replace("127.0.0.1", GATEWAY)})
        night.enqueue(*task_ids(3))
        result = run(night, "run")
        assert result.exit_code == 0
        assert (TARGETS[setting] in {path for path, _, _ in receiver.posts}) is arrives
        assert ("telemetry_failed" in result.stderr) is not arrives


@pytest.mark.parametrize("setting", TARGETS)
def test_no_proxy_holds_for_the_monitoring_servers(night_of, configure, monkeypatch, setting):
    """The address is in a network that NO_PROXY names; the port of the proxy is closed."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.0/8")
    with night_of() as night, receiving("") as receiver:
        configure(**{setting: receiver.url})
        night.enqueue(*task_ids(3))
        assert night.run("run").exit_code == 0
        assert TARGETS[setting] in {path for path, _, _ in receiver.posts}
