"""The job behind nginx as a gateway: with a private authority, client certificates, and pages of its own."""

import os
import re
from contextlib import contextmanager
from pathlib import Path

import pytest

from etl.fake_api import Behaviour
from tests.certificates import make_authority
from tests.field.parts import folder_for, free_port, program, running
from tests.nights import TOKEN, task_ids

pytestmark = [pytest.mark.field, pytest.mark.slow]

CONFIGURATION = """
daemon off;
worker_processes 1;
pid {folder}/pid;
error_log {folder}/error.log;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  ssl_certificate {certificate};
  ssl_certificate_key {key};
  ssl_client_certificate {authority};
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_verify_client on;
    location /koodrive/ {{
      proxy_pass {api};
      proxy_set_header Host $http_host;
    }}
  }}
  {zone}
  server {{
    listen 127.0.0.1:{limited_port};
    {limit}
    location /koodrive/ {{
      proxy_pass {api};
      proxy_set_header Host $http_host;
    }}
  }}
  server {{
    listen 127.0.0.1:{plain_port};
    root {folder}/nothing;
  }}
}}
"""


PAGE = Path(__file__).parents[2] / "docs/how-to/company-network.md"


def documented_limit():
    """Return the line for the zone and the lines for the server that the page shows, with a tenth of its numbers."""
    (shown,) = re.findall(r"```nginx\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    block = shown.replace("rate=500r/s", "rate=50r/s").replace("burst=50", "burst=5")
    assert block != shown
    zone, _, limit = block.partition("\n")
    return zone, limit


@pytest.fixture
def night_behind_nginx(night_of, configure):
    """Open a night whose API is behind nginx, which demands a client certificate; yields two more ports of nginx.

    They are of plain HTTP: one has no API, and the other limits the rate.
    """

    @contextmanager
    def open_night():
        with folder_for("www-data") as folder, night_of(Behaviour(token=TOKEN)) as night:
            authority = make_authority(folder / "authority")
            certificate, key = authority.issue("koodrive.example")
            port, plain_port, limited_port = free_port(), free_port(), free_port()
            zone, limit = documented_limit()
            text = CONFIGURATION.format(
                folder=folder,
                certificate=certificate,
                key=key,
                authority=authority.certificate,
                port=port,
                plain_port=plain_port,
                limited_port=limited_port,
                zone=zone,
                limit=limit,
                api=night.api.base_url,
            )
            (folder / "nginx.conf").write_text(text, encoding="utf-8")
            command = [program("nginx"), "-p", folder, "-e", folder / "error.log", "-c", folder / "nginx.conf"]
            with running(command, port=port, log=folder / "output"):
                configure(api__base_url=f"https://127.0.0.1:{port}", api__ca_file=authority.certificate)
                configure(api__patience_seconds=1)
                yield night, authority, plain_port, limited_port

    return open_night


def test_every_task_is_audited_with_a_client_certificate(night_behind_nginx, configure, tmp_path):
    ids = task_ids(200)
    with night_behind_nginx() as (night, authority, *_):
        certificate, key = authority.issue("job", password="CANARY-key-password")
        password = tmp_path / "password"
        password.write_text("CANARY-key-password\n", encoding="utf-8")
        password.chmod(0o600)
        configure(
            api__client_certificate_file=certificate,
            api__client_key_file=key,
            api__client_key_password_file=password,
        )
        night.enqueue(*ids)
        examined = night.run("doctor")
        assert "answers, and accepts the credentials" in examined.stdout
        result = night.run("run")
        assert result.exit_code == 0
        assert night.facts() == night.truth(ids)
        assert "CANARY" not in examined.stdout + examined.stderr + result.stdout + result.stderr


@pytest.mark.parametrize(
    ("client", "words"),
    [(None, "No required SSL certificate was sent"), ("stranger", "The SSL certificate error")],
)
def test_nginx_s_refusal_of_a_client_is_not_taken_for_koodrive_s(
    night_behind_nginx, configure, tmp_path, *, client, words
):
    with night_behind_nginx() as (night, *_):
        if client:
            certificate, key = make_authority(tmp_path / "other").issue(client)
            configure(api__client_certificate_file=certificate, api__client_key_file=key)
        night.enqueue(*task_ids(40))
        for command in ("doctor", "run"):
            result = night.run(command)
            assert result.exit_code in {69, 77, 78}
            assert words in result.stdout + result.stderr
            assert "accepts the credentials" not in result.stdout
        assert set(night.states().values()) == {"pending"}


def test_a_page_of_nginx_s_own_is_not_taken_for_koodrive_s(night_behind_nginx, configure):
    with night_behind_nginx() as (night, _, plain_port, _):
        configure(api__base_url=f"http://127.0.0.1:{plain_port}")
        result = night.run("doctor")
        assert result.exit_code in {69, 78}
        assert "does not answer as KooDrive" in result.stdout
        assert "404 Not Found" in result.stdout


def test_tls_to_a_plain_port_is_a_wrong_configuration(night_behind_nginx, configure):
    with night_behind_nginx() as (night, _, plain_port, _):
        configure(api__base_url=f"https://127.0.0.1:{plain_port}")
        night.enqueue(*task_ids(40))
        for command in ("doctor", "run"):
            result = night.run(command)
            assert result.exit_code == 78
            assert "does not speak TLS at this port" in result.stdout + result.stderr
        assert set(night.states().values()) == {"pending"}


def test_plain_http_to_a_port_of_tls_has_nginx_s_words(night_behind_nginx, configure):
    with night_behind_nginx() as (night, *_):
        configure(api__base_url=os.environ["TASK_AUDIT_API__BASE_URL"].replace("https:", "http:"))
        result = night.run("doctor")
        assert result.exit_code in {69, 78}
        assert "The plain HTTP request was sent to HTTPS port" in result.stdout


def test_the_limit_of_a_gateway_is_found_and_loses_nothing(night_behind_nginx, configure):
    ids = task_ids(150)
    with night_behind_nginx() as (night, *_, limited_port):
        configure(api__base_url=f"http://127.0.0.1:{limited_port}")
        night.enqueue(*ids)
        result = night.run("run")
        assert result.exit_code == 0
        assert "rate_changed" in result.stderr
        assert night.facts() == night.truth(ids)
