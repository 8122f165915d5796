"""The trace of a run, as an OpenTelemetry collector receives it."""

import math
import os
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from uuid import UUID

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Status
from pydantic import SecretStr

from etl.observe.trace import MAX_SPANS, Trace
from tests.nights import task_ids
from tests.observe.test_metrics import COMMON, samples
from tests.webhooks import receiving

RUN_ATTRIBUTES = ("run_id", "outcome", "exit_code", "claimed", "audited")


@pytest.fixture
def collector():
    with receiving(path="") as receiver:
        yield receiver


def attributes(part):
    return {each.key: each.value.string_value or each.value.int_value for each in part.attributes}


def received(collector, path, kind):
    return [kind.FromString(body) for posted, _, body in collector.posts if posted == path]


def spans(collector):
    (request,) = received(collector, "/v1/traces", ExportTraceServiceRequest)
    (resource,) = request.resource_spans
    return attributes(resource.resource), [span for scope in resource.scope_spans for span in scope.spans]


def points(collector):
    (request,) = received(collector, "/v1/metrics", ExportMetricsServiceRequest)
    return {
        (
            metric.name.removeprefix("task_audit_"),
            *(each.value.string_value for each in point.attributes if each.key not in COMMON),
        ): point.as_double
        for resource in request.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.gauge.data_points
    }


def test_a_run_is_one_trace_under_its_own_id(night_of, databases, collector):
    with night_of(None, *databases, telemetry__otlp_endpoint=collector.url, run__batch_size=10) as night:
        night.enqueue(*task_ids(25), "not-an-id")
        assert night.run("run").exit_code == 65
        ((run_id, audited),) = night.rows("SELECT run_id, audited FROM audit_run")
    resource, reported = spans(collector)

    assert resource["service.name"] == "task-audit"
    assert {span.trace_id for span in reported} == {UUID(run_id).bytes}
    (root,) = [span for span in reported if not span.parent_span_id]
    assert (root.name, root.status.code) == ("run", Status.STATUS_CODE_UNSET)
    assert {name: attributes(root)[name] for name in RUN_ATTRIBUTES} == {
        "run_id": run_id,
        "outcome": "dead_letters",
        "exit_code": 65,
        "claimed": 26,
        "audited": audited,
    }
    below = [span for span in reported if span is not root]
    assert {span.parent_span_id for span in below} == {root.span_id}
    assert all(span.start_time_unix_nano <= span.end_time_unix_nano for span in reported)
    for name in ("claim", "fetch", "load"):
        assert sum(attributes(span)["tasks"] for span in below if span.name == name) == 26, name
    assert sum(span.name == "load" for span in below) >= 3
    assert any(span.name == "acknowledge" for span in below) == (databases[0] != databases[1])


def test_the_metrics_are_those_of_the_textfile(night_of, collector, tmp_path):
    file = tmp_path / "x.prom"
    with night_of(telemetry__otlp_endpoint=collector.url, telemetry__metrics_textfile=file) as night:
        night.enqueue(*task_ids(5))
        assert night.run("run").exit_code == 0
    metrics = samples(file.read_text(encoding="utf-8"))

    assert points(collector) == {name: value for name, value in metrics.items() if not math.isnan(value)}


def test_the_trace_of_a_failed_run_is_an_error(night_of, collector, configure):
    with night_of(telemetry__otlp_endpoint=collector.url) as night:
        night.enqueue(*task_ids(1))
        configure(api__token="Bearer wrong")
        assert night.run("run").exit_code == 77
    _, reported = spans(collector)
    (root,) = [span for span in reported if span.name == "run"]

    assert root.status.code == Status.STATUS_CODE_ERROR
    assert "credentials" in root.status.message


def test_the_span_of_a_failed_load_is_an_error(night_of, collector, sqlite_warehouse):
    with night_of(None, None, sqlite_warehouse, telemetry__otlp_endpoint=collector.url) as night:
        night.enqueue(*task_ids(1))
        night.change("DROP TABLE fact_task_status_change", "warehouse")
        assert night.run("run").exit_code == 78
    _, reported = spans(collector)

    assert {span.name: span.status.code for span in reported if span.name in {"claim", "load"}} == {
        "claim": Status.STATUS_CODE_UNSET,
        "load": Status.STATUS_CODE_ERROR,
    }


@pytest.fixture
def sqlite_warehouse(tmp_path):
    return SecretStr(f"sqlite:///{tmp_path}/warehouse.sqlite")


def test_the_sdk_reads_its_own_settings(night_of, collector, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20CANARY-otlp")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "audit-of-leavers")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test")
    with night_of(telemetry__otlp_endpoint=collector.url) as night:
        result = night.run("run")

    assert {headers["authorization"] for _, headers, _ in collector.posts} == {"Bearer CANARY-otlp"}
    resource, _ = spans(collector)
    assert (resource["service.name"], resource["deployment.environment"]) == ("audit-of-leavers", "test")
    assert "CANARY" not in result.stdout + result.stderr


@pytest.mark.parametrize("kind", ["hangs", "refuses", "answers 500", "answers 503"])
def test_a_broken_collector_delays_a_run_by_two_seconds_at_most_and_does_not_fail_it(
    night_of, collector, kind, monkeypatch
):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20CANARY-otlp")
    collector.status = {"answers 500": 500, "answers 503": 503}.get(kind, 200)
    collector.seconds = 60 if kind == "hangs" else 0
    with ExitStack() as stack:
        url = collector.url
        if kind == "refuses":
            server = stack.enter_context(socket.socket())
            server.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{server.getsockname()[1]}"
        night = stack.enter_context(night_of())
        assert night.run("run").exit_code == 0
        started_at = time.monotonic()
        assert night.run("run").exit_code == 0
        alone = time.monotonic() - started_at
        monkeypatch.setenv("TASK_AUDIT_TELEMETRY__OTLP_ENDPOINT", url)
        started_at = time.monotonic()
        result = night.run("run", "--log-format", "json")
        took = time.monotonic() - started_at

    assert result.exit_code == 0
    assert took < alone + 3.5
    failed = [line for line in result.stderr.splitlines() if "telemetry_failed" in line]
    assert len(failed) == 2
    assert all(line.startswith("{") for line in result.stderr.splitlines() if "export" in line)
    assert "CANARY" not in result.stderr


def test_a_dry_run_sends_no_trace(night_of, collector):
    with night_of(telemetry__otlp_endpoint=collector.url) as night:
        assert night.run("run", "--dry-run").exit_code == 0

    assert collector.posts == []


@pytest.mark.parametrize(
    ("key", "extra", "package"),
    [("otlp_endpoint", "otel", "opentelemetry"), ("openlineage_url", "lineage", "openlineage")],
)
def test_a_missing_extra_is_78_and_says_how_to_get_it(night_of, key, extra, package):
    program = f"import sys; sys.modules[{package!r}] = None; from etl.__main__ import main; main()"
    with night_of(**{f"telemetry__{key}": "http://127.0.0.1:9"}) as night:
        result = subprocess.run(
            [sys.executable, "-c", program, "run"], capture_output=True, text=True, check=False, env=os.environ
        )
        assert night.rows("SELECT * FROM audit_run") == []

    assert result.returncode == 78
    assert f"pip install 'koodrive-task-audit[{extra}]'" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_long_run_keeps_its_first_spans_and_counts_the_rest():
    trace = Trace(clock=iter(range(10**6)).__next__)
    for _ in range(MAX_SPANS + 7):
        with trace.span("load", tasks=1) as added:
            added["more"] = 2

    assert (len(trace.spans), trace.dropped) == (MAX_SPANS, 7)
    first = trace.spans[0]
    assert (first.name, first.started_ns, first.ended_ns) == ("load", 0, 1)
    assert first.attributes == {"tasks": 1, "more": 2}


def test_a_failed_step_is_a_span_too():
    trace = Trace()
    with pytest.raises(RuntimeError), trace.span("load"):
        raise RuntimeError

    assert [span.name for span in trace.spans] == ["load"]
