"""The metrics, as node_exporter and a Pushgateway receive them after good and bad runs."""

import os
import socket
import stat
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler

import pytest
from prometheus_client.parser import text_string_to_metric_families

from etl.fake_api import Behaviour
from tests.conftest import each_engine
from tests.http_servers import serving
from tests.nights import FIRST_ID, TOKEN, task_ids


def samples(text):
    """Return the values by the name and the labels of a series, without the label that all have."""
    return {
        (sample.name.removeprefix("task_audit_"), *(sample.labels[name] for name in sample.labels.keys() - COMMON)): (
            sample.value
        )
        for sample in parsed(text)
    }


def parsed(text):
    return [sample for family in text_string_to_metric_families(text) for sample in family.samples]


COMMON = {"configuration"}


@contextmanager
def pushgateway(status=200):
    """A server that receives pushed metrics."""
    received = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append((self.path, body.decode()))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    with serving(Handler) as url:
        yield url, received


@contextmanager
def target(kind):
    """The URL of a broken Pushgateway."""
    if kind == "answers 500":
        with pushgateway(status=500) as (url, _):
            yield url
        return
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        if kind == "hangs":
            server.listen()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@each_engine
def test_a_run_reports_its_numbers_and_the_state_of_the_job(night_of, databases, tmp_path):
    file = tmp_path / "task_audit.prom"
    began_at = datetime.now(UTC).timestamp()
    with (
        pushgateway() as (url, received),
        night_of(None, *databases, telemetry__metrics_textfile=file, telemetry__pushgateway_url=url) as night,
    ):
        night.enqueue(*task_ids(4), "not-an-id")
        result = night.run("run")
        last_success = night.rows("SELECT COUNT(*) FROM audit_run WHERE exit_code = 0")

    reported = samples(file.read_text(encoding="utf-8"))
    assert result.exit_code == 65
    assert reported["last_run_exit_code",] == 65
    assert (
        reported["last_run_tasks", "dead_lettered"]
        == reported["dead_letters", "invalid_id"]
        == reported["tasks", "dead"]
        == 1
    )
    assert reported["last_run_tasks", "audited"] == 4
    assert began_at - 1 < reported["last_complete_timestamp_seconds",]
    assert last_success == [(0,)]
    assert ("last_success_timestamp_seconds",) not in reported
    ((path, body),) = received
    assert path == "/metrics/job/task-audit"
    assert str(samples(body)) == str(reported)
    assert list(tmp_path.glob("task_audit.prom*")) == [file]


@each_engine
def test_a_failed_run_keeps_the_last_success_and_the_backlog_true(night_of, databases, tmp_path, configure):
    file = tmp_path / "task_audit.prom"
    with night_of(None, *databases, telemetry__metrics_textfile=file) as night:
        assert night.run("run").exit_code == 0
        good = samples(file.read_text(encoding="utf-8"))
        night.enqueue(str(FIRST_ID))
        configure(api__token="Bearer wrong")
        assert night.run("run").exit_code == 77
        refused = samples(file.read_text(encoding="utf-8"))
        configure(warehouse__url="postgresql://nobody@127.0.0.1:9/none")
        assert night.run("run").exit_code == 69
        down = samples(file.read_text(encoding="utf-8"))

    success = ("last_success_timestamp_seconds",)
    assert good[success] == refused[success] == down[success]
    assert (good["tasks", "pending"], refused["tasks", "pending"], down["tasks", "pending"]) == (0, 1, 1)
    assert refused["oldest_pending_timestamp_seconds",] == down["oldest_pending_timestamp_seconds",] < good[success]
    assert [each["last_run_exit_code",] for each in (good, refused, down)] == [0, 77, 69]


@pytest.mark.parametrize("kind", ["hangs", "refuses", "answers 500"])
def test_a_broken_target_delays_a_run_by_two_seconds_at_most_and_does_not_fail_it(night_of, kind):
    with target(kind) as url, night_of(Behaviour(token=TOKEN)) as night:
        started_at = time.monotonic()
        assert night.run("run").exit_code == 0
        alone = time.monotonic() - started_at
        night.run("config", "show")
        with pytest.MonkeyPatch.context() as variables:
            variables.setenv("TASK_AUDIT_TELEMETRY__PUSHGATEWAY_URL", url)
            started_at = time.monotonic()
            result = night.run("run")
            took = time.monotonic() - started_at

    assert result.exit_code == 0
    assert "telemetry_failed" in result.stderr
    assert took < alone + 3.5


def test_a_textfile_that_cannot_be_written_is_a_warning(night_of, tmp_path):
    with night_of(telemetry__metrics_textfile=tmp_path / "none" / "x.prom") as night:
        result = night.run("run")

    assert result.exit_code == 0
    assert "telemetry.metrics_textfile" in result.stderr


@pytest.fixture
def strict_umask():
    """Give new files the rights that the shipped unit gives them."""
    earlier = os.umask(0o077)
    yield
    os.umask(earlier)


@pytest.mark.usefixtures("strict_umask")
def test_all_users_may_read_the_textfile_whatever_the_umask_is(night_of, tmp_path):
    file = tmp_path / "task_audit.prom"
    file.touch()
    with night_of(telemetry__metrics_textfile=file) as night:
        assert night.run("run").exit_code == 0

    assert stat.S_IMODE(file.stat().st_mode) == 0o644


def series(file):
    return {(sample.name, *sorted(sample.labels.items())) for sample in parsed(file.read_text(encoding="utf-8"))}


def test_two_configurations_have_different_series_and_one_keeps_its_own(night_of, configure, tmp_path):
    files = [tmp_path / name for name in ("first.prom", "second.prom", "named.prom")]
    with night_of(telemetry__metrics_textfile=files[0]) as night:
        assert night.run("run").exit_code == 0
        first = series(files[0])
        night.enqueue(*task_ids(2))
        assert night.run("run").exit_code == 0
        assert series(files[0]) == first
        configure(telemetry__metrics_textfile=files[1], source__url=f"sqlite:///{tmp_path}/other.sqlite")
        assert night.run("init").exit_code == 0
        assert night.run("run").exit_code == 0
        configure(telemetry__metrics_textfile=files[2], telemetry__metrics_configuration="leavers")
        assert night.run("run").exit_code == 0

    found = [series(file) for file in files]
    assert len(set().union(*found)) == sum(map(len, found))
    assert all(("configuration", "leavers") in each for each in found[2])


def test_each_shard_has_a_file_and_series_of_its_own(night_of, configure, tmp_path):
    with night_of(telemetry__metrics_textfile=tmp_path / "task_audit.prom") as night:
        night.change("CREATE TABLE mine (id TEXT)")
        configure(source__mode="read_only", source__table="mine", source__task_id_column="id")
        for shard in ("0/2", "1/2"):
            assert night.run("run", "--shard", shard).exit_code == 0

    files = [tmp_path / f"task_audit-shard-{index}.prom" for index in range(2)]
    assert sorted(tmp_path.glob("*.prom")) == files
    assert series(files[0]).isdisjoint(series(files[1]))


@pytest.mark.parametrize(
    ("named", "path"),
    [
        ({}, "/metrics/job/task-audit"),
        ({"telemetry__metrics_configuration": "leavers"}, "/metrics/job/task-audit/configuration/leavers"),
    ],
)
def test_a_named_configuration_has_its_own_group_on_the_pushgateway(night_of, named, path):
    with pushgateway() as (url, received), night_of(telemetry__pushgateway_url=url, **named) as night:
        assert night.run("run").exit_code == 0

    assert [each for each, _ in received] == [path]


def test_values_of_earlier_runs_get_the_label_of_the_configuration(night_of, configure, tmp_path):
    file = tmp_path / "task_audit.prom"
    file.write_text("task_audit_last_success_timestamp_seconds 1.5\n", encoding="utf-8")
    with night_of(telemetry__metrics_textfile=file, telemetry__metrics_configuration="leavers") as night:
        configure(warehouse__url="postgresql://nobody@127.0.0.1:9/none")
        assert night.run("run").exit_code == 69

    assert 'task_audit_last_success_timestamp_seconds{configuration="leavers"} 1.5' in file.read_text(encoding="utf-8")


def test_a_dry_run_reports_no_metrics(night_of, tmp_path):
    file = tmp_path / "x.prom"
    with night_of(telemetry__metrics_textfile=file) as night:
        assert night.run("run", "--dry-run").exit_code == 0

    assert not file.exists()


@pytest.mark.parametrize(
    ("key", "value", "complaint"),
    [
        ("metrics_textfile", "metrics.txt", "does not end in .prom"),
        ("pushgateway_url", "pushgateway:9091", "is not a URL"),
        ("pushgateway_url", "http://user:CANARY@host", "holds more"),
    ],
)
def test_a_wrong_target_is_78(task_audit, configure, key, value, complaint):
    configure(**{f"telemetry__{key}": value})
    result = task_audit("config", "show")

    assert result.exit_code == 78
    assert complaint in result.stderr
    assert "CANARY" not in result.stderr
