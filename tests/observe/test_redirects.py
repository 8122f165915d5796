"""A receiver that redirects its reports: no sender follows, and each says that its report did not arrive."""

import json
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

import pytest

from tests.http_servers import serving
from tests.nights import task_ids

TARGETS = {
    "telemetry.pushgateway_url",
    "telemetry.otlp_endpoint (trace)",
    "telemetry.otlp_endpoint (metrics)",
    "telemetry.openlineage_url",
    "notify.webhook_url",
}


@contextmanager
def answering(respond):
    """Answer every request with a status and a Location; yields the URL and the paths that were asked for."""
    paths = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            paths.append(self.path)
            status, location = respond(self.path)
            self.send_response(status)
            if location:
                self.send_header("Location", location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_PUT = do_POST  # noqa: N815 - the names that the library looks for

        def log_message(self, *arguments):
            pass

    with serving(Handler) as url:
        yield url, paths


@pytest.mark.parametrize("status", [302, 307])
def test_no_report_follows_a_redirect(night_of, configure, monkeypatch, status):
    # A busy machine needs more than two seconds for all reports.
    monkeypatch.setattr("etl.jobs.reporters.MAX_REPORTING_SECONDS", 60)
    monkeypatch.setattr("etl.jobs.reporters.SEND_SECONDS", 60)
    monkeypatch.setattr("etl.jobs.metrics.SEND_SECONDS", 60)
    with (
        answering(lambda _path: (200, None)) as (elsewhere, followed),
        answering(lambda path: (status, elsewhere + path)) as (url, asked),
        night_of() as night,
    ):
        night.enqueue(*task_ids(1), "not-an-id")
        configure(
            telemetry__pushgateway_url=url,
            telemetry__otlp_endpoint=url,
            telemetry__openlineage_url=url,
            notify__webhook_url=f"{url}/hook",
        )

        ended = night.run("run", "--log-format", "json")

    assert ended.exit_code == 65
    assert len(asked) >= len(TARGETS)
    assert followed == []
    events = [json.loads(line) for line in ended.stderr.splitlines() if line.startswith("{")]
    failed = {event["target"]: event["error"] for event in events if event["event"] == "telemetry_failed"}
    assert set(failed) == TARGETS
    assert all(str(status) in error for error in failed.values()), failed
