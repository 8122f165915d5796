"""Databases, targets and bugs that fail and repeat the secrets that they were given."""

from contextlib import contextmanager
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Thread

import pytest

from tests.canary import FORMS, secret, sightings
from tests.repeating_api import HONEST
from tests.secrecy.installation import PASSWORD


class Postgres(BaseRequestHandler):
    """A server that refuses all clients, and repeats their passwords."""

    def handle(self):
        self.request.recv(1024)
        message = f"SFATAL\0C28P01\0Mpassword authentication failed for {secret('password')} ({PASSWORD})\0\0".encode()
        self.request.sendall(b"E" + (len(message) + 4).to_bytes(4) + message)


@contextmanager
def refusing_postgres():
    with ThreadingTCPServer(("127.0.0.1", 0), Postgres) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("section", ["source", "warehouse"])
def test_databases_that_refuse(installed, configure, section):
    with refusing_postgres() as port:
        urls = {
            f"postgresql://u:{PASSWORD}@127.0.0.1:{port}/d?sslmode=disable": 78,
            f"postgresql://u@127.0.0.1:{port}/d?sslmode=disable&password={PASSWORD}": 78,
            f"postgresql://u:{PASSWORD}@127.0.0.1:9/d?sslpassword={PASSWORD}": 69,
            f"postgresql://u:{PASSWORD}@127.0.0.1:9/d?channel_binding={PASSWORD}": None,
            f"postgresql://u:{PASSWORD}@127.0.0.1:9/d?{PASSWORD}=1": 78,
            f"mysql://u:{PASSWORD}@127.0.0.1:9/d": 69,
            f"mysql://u:{PASSWORD}@127.0.0.1:9/d?ssl_key={PASSWORD}": None,
        }
        for url, code in urls.items():
            configure(**{f"{section}__url": url})
            ended = installed.run("run", "-v").exit_code
            assert ended == code or code is None, url
            installed.run("doctor", "--json")
            installed.run("config", "show", "--json")

    assert sightings(installed.places()) == []


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_bug_whose_message_holds_every_secret(installed, monkeypatch, api, log_format):
    said = " ".join(
        write(secret(kind)) for kind in ("token", "session", "app", "lineage", "otlp") for write in FORMS.values()
    )

    def stumble(*_arguments, **_keywords):
        raise UnicodeEncodeError("latin-1", said, 0, 1, said)

    Path("ids.txt").write_text(HONEST, encoding="utf-8")
    installed.run("enqueue", "--file", "ids.txt")
    monkeypatch.setattr("etl.run.batch_loader.make_batch", stumble)
    assert installed.run("run", "-v", "--log-format", log_format).exit_code == 70
    monkeypatch.setattr("etl.jobs.audit.begin_run", stumble)
    assert installed.run("run", "--log-format", log_format).exit_code == 70
    monkeypatch.setattr("etl.jobs.doctor.api.open_koodrive", stumble)
    assert installed.run("doctor").exit_code == 70
    monkeypatch.setattr("etl.jobs.metrics.overview", stumble)
    monkeypatch.setattr("etl.observe.webhook.Webhook.post", stumble)
    installed.run("notify", "--test")

    traceback = '"exception":' if log_format == "json" else "Traceback"
    assert sum(traceback in printed.replace(": ", ":") for printed in installed.printed.values()) >= 2
    posted = b"\n".join(body for _, body in api.posts)
    assert sightings(installed.places() | {"what other programs received": posted}) == []


def test_targets_that_fail_and_repeat_what_they_were_sent(installed, api):
    api.refusal = (500, "x")

    assert installed.run("run", "-v", "--log-format", "json").exit_code == 0
    assert installed.run("notify", "--test").exit_code == 69

    assert {path.split("/")[1] for path, _ in api.posts} >= {"push", "otlp", "lineage", "hook"}
    assert sightings(installed.places()) == []


def test_a_bucket_that_refuses(installed, api, configure):
    api.refusal = (403, "x")
    configure(
        archive__location="s3://answers/night",
        archive__s3_endpoint=api.url,
        archive__s3_region="r",
        archive__s3_access_key_id="key",
        archive__s3_secret_access_key=secret("s3"),
    )

    assert installed.run("replay").exit_code == 69
    installed.run("config", "show")

    assert sightings(installed.places()) == []
