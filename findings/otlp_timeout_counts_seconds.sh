#!/usr/bin/env bash
# OpenTelemetry for Python reads OTEL_EXPORTER_OTLP_TIMEOUT as seconds, where the specification has milliseconds.
#
# Guess: 1000 is one second, as in the specification ("OpenTelemetry Protocol Exporter", the maximum time in milliseconds)
# and in the SDKs of other languages, and as OTEL_METRIC_EXPORT_TIMEOUT is in the same SDK.
# Seen with opentelemetry-exporter-otlp-proto-http 1.45.2 and a collector that takes the connection and never answers:
# with 1 the export ends after about a second, with 1000 it has not ended after five seconds.
# It would hurt: a job that is given the 10000 of another service's configuration may wait for 2.8 hours at its end.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet opentelemetry-sdk==1.45.2 opentelemetry-exporter-otlp-proto-http==1.45.2
cat > export.py <<'PYTHON'
import socket

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

with socket.create_server(("127.0.0.1", 0)) as silent:
    exporter = OTLPSpanExporter(f"http://127.0.0.1:{silent.getsockname()[1]}/v1/traces")
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    provider.get_tracer("finding").start_span("run").end()
PYTHON
for value in 1 1000; do
    if OTEL_EXPORTER_OTLP_TIMEOUT=$value timeout --signal KILL 5 venv/bin/python export.py 2> "errors$value"; then
        echo "$value ended"
    else
        echo "$value had not ended after five seconds"
    fi
done 2> /dev/null | tee seen
printf '%s\n' '1 ended' '1000 had not ended after five seconds' > expected
if ! diff expected seen; then
    cat errors*
    echo "OpenTelemetry behaves otherwise now"
    exit 1
fi
echo "as described"
