"""A receiver that answers a report with more than any receiver does fills no memory."""

import gzip
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

import pytest

from etl.observe.pushgateway import MAX_GROUPS_BYTES, configurations_in_group
from etl.observe.requests_session import MAX_ANSWER_BYTES, ProxiedSession
from etl.settings.model import TelemetrySettings
from tests.http_servers import serving
from tests.nights import task_ids

LONG = b" " * (1 << 20)


@contextmanager
def answering(body, headers):
    """Answer every request with a body; yields the URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(200)
            for name, value in (headers | {"Content-Length": str(len(body))}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_PUT = do_POST  # noqa: N815 - the names that the library looks for

        def log_message(self, *arguments):
            pass

        def handle(self):
            try:
                super().handle()
            except ConnectionError:
                """The client has read enough."""

    with serving(Handler) as url:
        yield url


@pytest.mark.parametrize(
    ("body", "headers"), [(LONG, {}), (gzip.compress(LONG), {"Content-Encoding": "gzip"})], ids=["plain", "compressed"]
)
def test_a_receiver_that_answers_without_end_fills_no_memory(night_of, configure, monkeypatch, body, headers):
    # A busy machine needs more than two seconds for all reports.
    monkeypatch.setattr("etl.jobs.reporters.MAX_REPORTING_SECONDS", 60)
    monkeypatch.setattr("etl.jobs.reporters.SEND_SECONDS", 60)
    monkeypatch.setattr("etl.jobs.metrics.SEND_SECONDS", 60)
    with answering(body, headers) as url, night_of() as night:
        assert len(ProxiedSession().post(url).content) <= MAX_ANSWER_BYTES
        configure(telemetry__otlp_endpoint=url, telemetry__openlineage_url=url, telemetry__pushgateway_url=url)
        night.enqueue(*task_ids(1))

        ended = night.run("run")

    assert ended.exit_code == 0
    assert "telemetry_failed" not in ended.stderr


@pytest.mark.parametrize("padding", [0, MAX_GROUPS_BYTES])
def test_the_groups_of_a_pushgateway_are_read_up_to_a_bound(padding):
    with answering(b'{"data": []}' + b" " * padding, {}) as url:
        if padding:
            with pytest.raises(OSError, match="not as a Pushgateway"):
                configurations_in_group(url, TelemetrySettings(), labels={}, seconds=60)
        else:
            assert configurations_in_group(url, TelemetrySettings(), labels={}, seconds=60) == set()
