"""The metrics on a Pushgateway: what a failed run keeps, and the groups of configurations and shards."""

import json

import pytest

from tests.field.parts import folder_for, free_port, program, read, running
from tests.nights import TOKEN, task_ids

EXIT_CODE = "task_audit_last_run_exit_code"
SUCCESS = "task_audit_last_success_timestamp_seconds"


@pytest.fixture
def url():
    """Run a Pushgateway."""
    port = free_port()
    # Debian's keeps its groups in one file of the machine unless it is told otherwise.
    command = [program("prometheus-pushgateway"), "--persistence.file=", f"--web.listen-address=127.0.0.1:{port}"]
    with folder_for("nobody") as folder, running(command, port=port, log=folder / "output"):
        yield f"http://127.0.0.1:{port}"


def groups(url):
    """Return the groups of the Pushgateway, which gives them in no order: their labels, and their metrics by name."""
    found = [
        (group["labels"], {name: family["metrics"] for name, family in group.items() if name.startswith("task_audit_")})
        for group in json.loads(read(f"{url}/api/v1/metrics"))["data"]
    ]
    return sorted(found, key=lambda group: sorted(group[0].items()))


def value(metrics, name):
    (series,) = metrics[name]
    return float(series["value"])


def warnings(night):
    return [line for line in night.run("doctor").stdout.splitlines() if line.startswith("warning  metrics: ")]


def test_a_failed_run_keeps_the_last_success(night_of, configure, url):
    with night_of(telemetry__pushgateway_url=url) as night:
        assert night.run("run").exit_code == 0
        ((_, good),) = groups(url)
        night.enqueue(*task_ids(2))
        configure(api__token="Bearer wrong", warehouse__url="postgresql://nobody@127.0.0.1:9/none")
        assert night.run("run").exit_code == 69
        ((labels, failed),) = groups(url)

    assert labels == {"job": "task-audit"}
    assert (value(good, EXIT_CODE), value(failed, EXIT_CODE)) == (0, 69)
    assert value(failed, SUCCESS) == value(good, SUCCESS)


def test_doctor_names_the_configuration_that_is_replaced_and_a_name_keeps_both(night_of, configure, url, tmp_path):
    with night_of(telemetry__pushgateway_url=url) as night:
        assert night.run("run").exit_code == 0
        configure(source__url=f"sqlite:///{tmp_path}/other.sqlite")
        assert night.run("init").exit_code == 0
        (line,) = warnings(night)
        assert "other metrics are in the group" in line
        assert night.run("run").exit_code == 0
        assert len(groups(url)) == 1
        configure(telemetry__metrics_configuration="Hand over / deletion")
        assert warnings(night) == []
        assert night.run("run").exit_code == 0
        assert warnings(night) == []

    assert [labels for labels, _ in groups(url)] == [
        {"job": "task-audit", "configuration": "Hand over / deletion"},
        {"job": "task-audit"},
    ]


def test_each_shard_has_its_own_group(night_of, configure, url):
    with night_of(telemetry__pushgateway_url=url) as night:
        night.change("CREATE TABLE mine (id TEXT)")
        configure(source__mode="read_only", source__table="mine", source__task_id_column="id")
        assert night.run("run", "--shard", "0/2").exit_code == 0
        configure(api__token="Bearer wrong")
        assert night.run("run", "--shard", "1/2").exit_code in {0, 77}
        configure(api__token=TOKEN)
        assert warnings(night) == []

    assert [labels["shard"] for labels, _ in groups(url)] == ["0", "1"]
