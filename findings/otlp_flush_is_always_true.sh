#!/usr/bin/env bash
# OpenTelemetry's force_flush returns True although the collector took nothing, and shutdown sends the same metrics
# again.
#
# Guess: force_flush is False if the exporter reports a failure, as its name and its bool promise, and shutdown after it
# has nothing to send.
# Seen with opentelemetry-sdk and opentelemetry-exporter-otlp-proto-http 1.45.2: True for 404 and 500, for metrics and
# traces; the collector counts two requests for the metrics of one flush and one shutdown. The failure stands in the log
# alone.
# It would hurt: a job that reports "metrics were exported" by this value reports it every night.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet opentelemetry-sdk==1.45.2 opentelemetry-exporter-otlp-proto-http==1.45.2
cd "$folder"
venv/bin/python -W ignore - <<'PYTHON'
import logging
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

logging.disable(logging.CRITICAL)


class Collector(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append(self.path)
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


for status in (404, 500):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    server.status, server.requests = status, []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"

    reader = PeriodicExportingMetricReader(OTLPMetricExporter(f"{url}/metrics"), export_interval_millis=3_600_000)
    metrics = MeterProvider([reader])
    metrics.get_meter("finding").create_counter("tasks").add(1)
    flushed_metrics = metrics.force_flush(5_000)
    metrics.shutdown()

    traces = TracerProvider()
    traces.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{url}/traces")))
    traces.get_tracer("finding").start_span("run").end()
    flushed_traces = traces.force_flush(5_000)
    traces.shutdown()
    server.shutdown()

    print(f"{status}: force_flush {flushed_metrics} and {flushed_traces}; requests {server.requests}")
    assert flushed_metrics is True and flushed_traces is True, "force_flush reports the failure now"
    assert server.requests == ["/metrics", "/metrics", "/traces"], "another number of requests now"
PYTHON
