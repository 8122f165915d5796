"""Tells an OpenTelemetry collector of a run that has ended: its trace, and its metrics under their usual names.

The trace's ID is the run's, so that whoever knows one finds the other. Headers, certificates and compression are the
SDK's own settings (OTEL_EXPORTER_OTLP_HEADERS and so on). Importing this room needs the extra ``otel``.
"""

import logging
from collections.abc import Iterator, Sequence
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
from etl.errors import Code, UnavailableError
from etl.exit_codes import ExitCode
from etl.observe.metrics import JobSnapshot, registry_of
from etl.observe.trace import Trace
from etl.runs import AuditRun

NANOSECONDS = 1_000_000_000

CHECK = "Check telemetry.otlp_endpoint, and whether the collector is up."

WELL = {ExitCode.OK, ExitCode.DEAD_LETTERS}
"""How a run ends whose trace is no error."""


class RunIds(IdGenerator):
    """Gives a trace the ID of its run."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._random = RandomIdGenerator()

    def generate_trace_id(self) -> int:
        """Name the trace."""
        return UUID(self._run_id).int

    def generate_span_id(self) -> int:
        """Name a span."""
        return self._random.generate_span_id()


def send_trace(endpoint: str, run: AuditRun, trace: Trace, *, seconds: float) -> None:
    """Send the spans of a run, below one of the run itself.

    Raises:
        UnavailableError: the collector did not take them.
    """
    with _complaints() as complaints:
        exporter = OTLPSpanExporter(f"{endpoint}/v1/traces", timeout=seconds)
        if exporter.export(spans_of(run, trace)) is not SpanExportResult.SUCCESS:
            raise UnavailableError(_first(complaints), code=Code.COLLECTOR_UNAVAILABLE, remedy=CHECK)


def send_metrics(endpoint: str, run: AuditRun, standing: JobSnapshot, *, seconds: float) -> None:
    """Send the metrics of a run.

    Raises:
        UnavailableError: the collector did not take them.
    """
    reader = InMemoryMetricReader()
    meter = MeterProvider([reader], resource=_resource(run), shutdown_on_exit=False).get_meter(
        "task-audit", __version__
    )
    for family in registry_of(run, standing).collect():
        gauge = meter.create_gauge(family.name, description=family.documentation)
        for sample in family.samples:
            # NaN says to Prometheus that there is none; here there is no point then.
            if not isnan(sample.value):
                gauge.set(sample.value, sample.labels)
    with _complaints() as complaints:
        exporter = OTLPMetricExporter(f"{endpoint}/v1/metrics", timeout=seconds)
        found = reader.get_metrics_data()
        if found is not None and exporter.export(found) is not MetricExportResult.SUCCESS:
            raise UnavailableError(_first(complaints), code=Code.COLLECTOR_UNAVAILABLE, remedy=CHECK)


def spans_of(run: AuditRun, trace: Trace) -> Sequence[ReadableSpan]:
    """Make the SDK's spans of a run's."""
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
    if run.exit_code not in WELL:
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
    ours = Resource({"service.name": "task-audit", "service.version": run.version, "host.name": run.host})
    # OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES have the last word.
    return ours.merge(OTELResourceDetector().detect())


def _nanoseconds(instant: datetime) -> int:
    return round(instant.timestamp() * NANOSECONDS)


class _Listener(logging.Handler):
    """Keeps what the SDK would tell nobody but stderr."""

    def __init__(self, complaints: list[str]) -> None:
        super().__init__()
        self._complaints = complaints

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a message."""
        self._complaints.append(record.getMessage())


@contextmanager
def _complaints() -> Iterator[list[str]]:
    complaints: list[str] = []
    logger = logging.getLogger("opentelemetry")
    listener = _Listener(complaints)
    logger.addHandler(listener)
    logger.propagate = False
    try:
        yield complaints
    finally:
        logger.removeHandler(listener)


def _first(complaints: Sequence[str]) -> str:
    return complaints[0] if complaints else "The collector did not take it."
