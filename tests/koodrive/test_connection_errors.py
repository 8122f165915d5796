"""Proxies, TLS and certificates on the way to the API, each with a real server."""

import asyncio
import ssl
from threading import Event

import pytest
from pydantic import SecretStr

from etl.database.clock import system_clock
from etl.error_codes import Code
from etl.errors import ConfigurationError, CredentialsRefusedError
from etl.koodrive.client import open_koodrive
from etl.redaction import remember
from etl.tasks import Observation, PendingTask
from etl.tasks.failure_reasons import FailureReason
from tests.certificates import make_authority
from tests.koodrive.raw_http import RUN_ID, TASK_ID, http
from tests.relays import blocking_tls, forwarding, hanging_tls, speaking_tls

HOST = "koodrive.example"
PROXY_USER = "Basic am9iOkNBTkFSWS1wdw=="
"""The header of the user ``job`` with the password ``CANARY-pw``."""


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def asked_through(asked, scripted, authority):
    """Send requests through a proxy to an API behind TLS, and return the outcomes with the proxy."""

    def ask(*replies, times=1, context=None, account="", tls=None, settings=None, **behaviour):
        async def scenario():
            async with (
                scripted(*(replies or (http(),))) as server,
                speaking_tls(context or authority.server_context(HOST), server.base_url) as port,
                forwarding(tls, **behaviour) as proxy,
            ):
                url = proxy.url.replace("://", f"://{account}")
                usual = {"proxy": SecretStr(url), "ca_file": authority.certificate}
                base_url = f"https://{HOST}:{port}"
                return await asked(base_url, *[TASK_ID] * times, **(usual | (settings or {}))), proxy

        return asyncio.run(scenario())

    return ask


@pytest.fixture
def asked_by_tls(asked):
    """Send one request to an API behind TLS; None stands for a server of plain HTTP."""

    def ask(context, **settings):
        with blocking_tls(context, http(headers=["Connection: close"])) as port:
            return asyncio.run(asked(f"https://127.0.0.1:{port}", TASK_ID, **settings))

    return ask


def test_the_api_is_reached_through_a_proxy_with_a_password(asked_through):
    outcomes, proxy = asked_through(times=3, account="job:CANARY-pw@", authorization=PROXY_USER)
    assert all(isinstance(outcome, Observation) for outcome in outcomes)
    (line,) = proxy.asked
    assert line.startswith(f"CONNECT {HOST}:")


def test_a_variable_names_the_proxy_of_the_api(asked, scripted, authority, monkeypatch):
    async def scenario():
        async with (
            scripted(http()) as server,
            speaking_tls(authority.server_context(HOST), server.base_url) as port,
            forwarding() as proxy,
        ):
            monkeypatch.setenv("HTTPS_PROXY", proxy.url)
            return await asked(f"https://{HOST}:{port}", TASK_ID, ca_file=authority.certificate), proxy

    (outcome,), proxy = asyncio.run(scenario())
    assert isinstance(outcome, Observation)
    assert len(proxy.asked) == 1


def test_a_proxy_may_speak_tls_itself(asked_through, authority):
    (outcome,), proxy = asked_through(
        tls=authority.server_context("proxy.example"), account="job:CANARY-pw@", authorization=PROXY_USER
    )
    assert isinstance(outcome, Observation)
    assert len(proxy.asked) == 1


@pytest.mark.parametrize(
    ("account", "problem"),
    [("", "demands a user and a password"), ("job:CANARY-wrong@", "refuses the user or the password")],
)
def test_a_proxy_that_refuses_the_credentials_ends_the_run(asked_through, account, problem):
    with pytest.raises(CredentialsRefusedError, match=problem) as raised:
        asked_through(account=account, authorization=PROXY_USER)
    assert raised.value.code is Code.PROXY_CREDENTIALS_REFUSED
    assert "api.proxy" in raised.value.remedy
    assert "CANARY" not in str(raised.value)


@pytest.mark.parametrize("status", ["403 Forbidden", "405 Method Not Allowed", "400 Bad Request"])
def test_a_proxy_that_does_not_connect_to_the_api_is_a_wrong_configuration(asked_through, status):
    """The status is the proxy's: 403 must not look like the API's."""
    with pytest.raises(ConfigurationError, match=f"does not connect to the API: HTTP {status}") as raised:
        asked_through(status=status)
    assert raised.value.code is Code.PROXY_REFUSED


@pytest.mark.parametrize("status", ["503 Service Unavailable", "502 Bad Gateway", "429 Too Many Requests"])
def test_a_proxy_in_trouble_is_unreachable_and_named(asked_through, status):
    (failure,), proxy = asked_through(account="job:CANARY-pw@", status=status)
    assert (failure.reason, failure.http_status) == (FailureReason.UNREACHABLE, None)
    assert failure.detail == f"the proxy {proxy.url} answers HTTP {status}"


def test_a_proxy_that_refuses_in_mid_run_is_an_outage(api_settings, scripted, authority):
    async def scenario():
        async with (
            scripted(http(headers=["Connection: close"])) as server,
            speaking_tls(authority.server_context(HOST), server.base_url) as port,
            forwarding() as proxy,
        ):
            settings = api_settings(f"https://{HOST}:{port}", proxy=SecretStr(proxy.url), ca_file=authority.certificate)
            async with open_koodrive(settings, run_id=RUN_ID, clock=system_clock) as koodrive:
                first = await koodrive.ask(PendingTask(task_id=TASK_ID))
                proxy.status = "403 Forbidden"
                return first, await koodrive.ask(PendingTask(task_id=TASK_ID))

    first, second = asyncio.run(scenario())
    assert isinstance(first, Observation)
    assert second.reason is FailureReason.UNREACHABLE


def test_a_server_that_hangs_holds_no_connection_beyond_the_time_limit(api_settings, authority):
    """The server reads no TLS shutdown, for which aiohttp would wait for 30 seconds."""
    is_closed = Event()

    async def scenario(port):
        settings = api_settings(f"https://127.0.0.1:{port}", ca_file=authority.certificate, timeout_seconds=0.2)
        async with open_koodrive(settings, run_id=RUN_ID, clock=system_clock) as koodrive:
            failure = await koodrive.ask(PendingTask(task_id=TASK_ID))
            return failure, await asyncio.to_thread(is_closed.wait, 5)

    with hanging_tls(authority.server_context(HOST), is_closed) as port:
        failure, was_closed = asyncio.run(scenario(port))
    assert failure.reason is FailureReason.TIMEOUT
    assert was_closed


def test_a_dead_proxy_is_named(asked):
    remember("CANARY-pw")
    settings = {"proxy": SecretStr("http://job:CANARY-pw@127.0.0.1:9")}
    (failure,) = asyncio.run(asked(f"https://{HOST}", TASK_ID, **settings))
    assert failure.reason is FailureReason.UNREACHABLE
    assert failure.detail.startswith("the proxy http://127.0.0.1:9 cannot be reached")


def test_a_private_authority_is_trusted_if_a_setting_names_it(asked_by_tls, authority):
    (outcome,) = asked_by_tls(authority.server_context(HOST), ca_file=authority.certificate)
    assert isinstance(outcome, Observation)


def test_an_untrusted_certificate_ends_the_run(asked_by_tls, authority):
    with pytest.raises(ConfigurationError, match="certificate is not to be trusted") as raised:
        asked_by_tls(authority.server_context(HOST))
    assert raised.value.code is Code.API_CERTIFICATE_UNTRUSTED
    assert "api.ca_file" in raised.value.remedy


@pytest.mark.parametrize("password", [None, "CANARY-key-password"])
def test_a_client_certificate_is_sent(asked_by_tls, authority, tmp_path, password):
    certificate, key = authority.issue(f"job-{password}", password=password)
    files = {"client_certificate_file": certificate, "client_key_file": key}
    if password:
        files["client_key_password_file"] = tmp_path / "password"
        files["client_key_password_file"].write_text(f"{password}\n", encoding="utf-8")
    context = authority.server_context(HOST, demands_client=True)
    (outcome,) = asked_by_tls(context, ca_file=authority.certificate, **files)
    assert isinstance(outcome, Observation)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_stranger_s_client_certificate_is_refused(asked_by_tls, authority, tmp_path, version):
    certificate, key = make_authority(tmp_path / "stranger").issue("stranger")
    context = authority.server_context(HOST, demands_client=True)
    context.maximum_version = version
    files = {"client_certificate_file": certificate, "client_key_file": key}
    with pytest.raises(CredentialsRefusedError, match="client certificate") as raised:
        asked_by_tls(context, ca_file=authority.certificate, **files)
    assert raised.value.code is Code.CLIENT_CERTIFICATE_REFUSED


def test_a_server_that_demands_a_client_certificate_ends_the_run(asked_by_tls, authority):
    with pytest.raises(CredentialsRefusedError, match="demands a client certificate") as raised:
        asked_by_tls(authority.server_context(HOST, demands_client=True), ca_file=authority.certificate)
    assert raised.value.code is Code.CLIENT_CERTIFICATE_REFUSED


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_a_server_with_another_version_of_tls_is_a_wrong_configuration(asked_by_tls, authority):
    context = authority.server_context(HOST)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ConfigurationError, match="no TLS version or cipher in common") as raised:
        asked_by_tls(context, ca_file=authority.certificate)
    assert raised.value.code is Code.API_TLS_FAILED


def test_a_port_of_plain_http_is_a_wrong_configuration(asked_by_tls):
    with pytest.raises(ConfigurationError, match="does not speak TLS at this port") as raised:
        asked_by_tls(None)
    assert raised.value.code is Code.API_TLS_FAILED


def test_a_port_of_plain_http_behind_a_proxy_is_a_wrong_configuration(asked):
    async def scenario(port):
        async with forwarding() as proxy:
            await asked(f"https://{HOST}:{port}", TASK_ID, proxy=SecretStr(proxy.url))

    with (
        blocking_tls(None, http(b"", status="400 Bad Request")) as port,
        pytest.raises(ConfigurationError, match="does not speak TLS at this port"),
    ):
        asyncio.run(scenario(port))


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        ({"ca_file": "nowhere.pem"}, r"api\.ca_file: .*nowhere\.pem cannot be read"),
        ({"ca_file": "text.pem"}, r"api\.ca_file: .*text\.pem holds no certificate"),
        ({"client_certificate_file": "nowhere.pem"}, r"nowhere\.pem cannot be read"),
        ({"client_certificate_file": "text.pem"}, "are no certificate with its key"),
        ({"client_certificate_file": "job.pem", "client_key_file": "koodrive.key"}, "do not belong together"),
        ({"client_certificate_file": "job.pem", "client_key_file": "locked.key"}, "password is wrong"),
    ],
)
def test_a_file_that_is_no_certificate_is_a_wrong_configuration(asked, tmp_path, files, complaint):
    authority = make_authority(tmp_path)
    authority.issue("job")
    authority.issue("koodrive")
    authority.issue("locked", password="CANARY-key-password")
    (tmp_path / "text.pem").write_text("no certificate", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=complaint):
        asyncio.run(asked(f"https://{HOST}", TASK_ID, **{name: tmp_path / file for name, file in files.items()}))
