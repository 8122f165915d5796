"""Sends the trace and the metrics of a finished run to an OpenTelemetry collector.

The ID of the trace is the ID of the run, so that either leads to the other. Headers, certificates and compression are
settings of the SDK itself (OTEL_EXPORTER_OTLP_HEADERS and so on). This module needs the extra ``otel``.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from math import isnan
from uuid import UUID

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricExportResult
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.trace import StatusCode, set_span_in_context

from etl import __version__
from etl.error_codes import Code
from etl.errors import UnavailableError
from etl.exit_codes import ExitCode
from etl.observe.metrics import JobSnapshot, registry_of
from etl.observe.requests_session import ProxiedSession
from etl.observe.trace import Trace
from etl.runs import AuditRun

NANOSECONDS = 1_000_000_000

REMEDY = "Check telemetry.otlp_endpoint, and whether the collector runs."

COMPLETE = {ExitCode.OK, ExitCode.DEAD_LETTERS}
"""The exit codes of runs whose trace is not an error."""


class RunIds(IdGenerator):
    """Uses the ID of the run as the ID of its trace."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._random = RandomIdGenerator()

    def generate_trace_id(self) -> int:
        """Return the ID of the run."""
        return UUID(self._run_id).int

    def generate_span_id(self) -> int:
        """Return a random ID."""
        return self._random.generate_span_id()


def send_trace(endpoint: str, run: AuditRun, *, trace: Trace, seconds: float) -> None:
    """Send the spans of a run, as children of a span of the run itself.

    Raises:
        UnavailableError: the collector did not accept them.
    """
    with _collected_errors() as errors:
        exporter = OTLPSpanExporter(f"{endpoint}/v1/traces", timeout=seconds, session=ProxiedSession())
        if exporter.export(spans_of(run, trace)) is not SpanExportResult.SUCCESS:
            raise UnavailableError(_first(errors), code=Code.COLLECTOR_UNAVAILABLE, remedy=REMEDY)


def send_metrics(
    endpoint: str, run: AuditRun, *, snapshot: JobSnapshot, labels: Mapping[str, str], seconds: float
) -> None:
    """Send the metrics of a run.

    Raises:
        UnavailableError: the collector did not accept them.
    """
    reader = InMemoryMetricReader()
    meter = MeterProvider([reader], resource=_resource(run), shutdown_on_exit=False).get_meter(
        "task-audit", __version__
    )
    for family in registry_of(run, snapshot, labels=labels).collect():
        gauge = meter.create_gauge(family.name, description=family.documentation)
        for sample in family.samples:
            # NaN means "no value" to Prometheus; OTLP has no such point.
            if not isnan(sample.value):
                gauge.set(sample.value, sample.labels)
    with _collected_errors() as errors:
        exporter = OTLPMetricExporter(f"{endpoint}/v1/metrics", timeout=seconds, session=ProxiedSession())
        data = reader.get_metrics_data()
        if data is not None and exporter.export(data) is not MetricExportResult.SUCCESS:
            raise UnavailableError(_first(errors), code=Code.COLLECTOR_UNAVAILABLE, remedy=REMEDY)


def spans_of(run: AuditRun, trace: Trace) -> Sequence[ReadableSpan]:
    """Convert the spans of a run to spans of the SDK."""
    kept = InMemorySpanExporter()
    provider = TracerProvider(resource=_resource(run), id_generator=RunIds(run.run_id), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(kept))
    tracer = provider.get_tracer("task-audit", __version__)
    root = tracer.start_span("run", start_time=_nanoseconds(run.started_at), attributes=_attributes(run, trace))
    below = set_span_in_context(root)
    for span in trace.spans:
        child = tracer.start_span(span.name, below, start_time=span.started_ns, attributes=dict(span.attributes))
        if error := span.attributes.get("error"):
            child.set_status(StatusCode.ERROR, str(error))
        child.end(span.ended_ns)
    if run.exit_code not in COMPLETE:
        root.set_status(StatusCode.ERROR, run.error or run.outcome)
    root.end(_nanoseconds(run.finished_at or run.started_at))
    return kept.get_finished_spans()


def _attributes(run: AuditRun, trace: Trace) -> dict[str, int | str]:
    return {
        "run_id": run.run_id,
        "outcome": run.outcome,
        "exit_code": run.exit_code or 0,
        "claimed": run.claimed,
        "audited": run.audited,
        "dead_lettered": run.dead_lettered,
        "released": run.released,
        "requests": run.requests,
        "throttled": run.throttled,
        "spans_dropped": trace.dropped,
    }


def _resource(run: AuditRun) -> Resource:
    job = Resource({"service.name": "task-audit", "service.version": run.version, "host.name": run.host})
    # OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES override the job's own values.
    return job.merge(OTELResourceDetector().detect())


def _nanoseconds(instant: datetime) -> int:
    return round(instant.timestamp() * NANOSECONDS)


class _ErrorCollector(logging.Handler):
    """Keeps the error messages that the SDK only logs."""

    def __init__(self, errors: list[str]) -> None:
        super().__init__()
        self._errors = errors

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a message."""
        self._errors.append(record.getMessage())


@contextmanager
def _collected_errors() -> Iterator[list[str]]:
    errors: list[str] = []
    logger = logging.getLogger("opentelemetry")
    collector = _ErrorCollector(errors)
    logger.addHandler(collector)
    logger.propagate = False
    try:
        yield errors
    finally:
        logger.removeHandler(collector)


def _first(errors: Sequence[str]) -> str:
    return errors[0] if errors else "The collector did not accept the data."
