"""The alert rules and the dashboard in a Prometheus that scrapes both targets, and an alert on its way to a webhook."""

import json
from urllib.parse import quote

import pytest

from etl.fake_api import Behaviour
from etl.resources import resource
from tests.field.parts import eventually, folder_for, free_port, program, read, running
from tests.nights import TOKEN, task_ids
from tests.webhooks import receiving

RULES = resource("configs", "alerts", "prometheus.yml")
DASHBOARD = resource("configs", "grafana", "prometheus.json")

PROMETHEUS = """
global: {{scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 200ms}}
rule_files: [{rules}]
alerting: {{alertmanagers: [{{static_configs: [{{targets: ['127.0.0.1:{alertmanager}']}}]}}]}}
scrape_configs:
  - job_name: pushgateway
    honor_labels: true
    static_configs: [{{targets: ['127.0.0.1:{pushgateway}']}}]
  - job_name: node
    static_configs: [{{targets: ['127.0.0.1:{node_exporter}']}}]
"""

ALERTMANAGER = """
route: {{receiver: hook, group_by: [alertname, configuration], group_wait: 100ms, group_interval: 1s}}
receivers: [{{name: hook, webhook_configs: [{{url: '{url}', send_resolved: false}}]}}]
"""


def started(name, ports, *options, folder):
    """Start a part on its port."""
    command = [program(name if name == "prometheus" else f"prometheus-{name.replace('_', '-')}"), *options]
    listen = f"--web.listen-address=127.0.0.1:{ports[name]}"
    return running([*command, listen], port=ports[name], log=folder / f"{name}.log")


@pytest.fixture
def monitored(night_of):
    """Open a night that reports by a textfile and a Pushgateway; yields it with Prometheus' address and the webhook."""
    names = ("node_exporter", "pushgateway", "alertmanager", "prometheus")
    ports = {name: free_port() for name in names}
    with folder_for("nobody") as folder, receiving("/alerts") as hook:
        (folder / "rules.yml").write_text(PROMETHEUS.format(rules=RULES, **ports), encoding="utf-8")
        (folder / "route.yml").write_text(ALERTMANAGER.format(url=hook.url), encoding="utf-8")
        textfiles = ("--collector.disable-defaults", "--collector.textfile", f"--collector.textfile.directory={folder}")
        routes = (f"--config.file={folder}/route.yml", f"--storage.path={folder}/alerts", "--cluster.listen-address=")
        rules = (f"--config.file={folder}/rules.yml", f"--storage.tsdb.path={folder}/series")
        with (
            started("node_exporter", ports, *textfiles, folder=folder),
            started("pushgateway", ports, "--persistence.file=", folder=folder),
            started("alertmanager", ports, *routes, folder=folder),
            started("prometheus", ports, *rules, folder=folder),
            night_of(
                Behaviour(token=TOKEN),
                telemetry__metrics_textfile=folder / "task_audit.prom",
                telemetry__pushgateway_url=f"http://127.0.0.1:{ports['pushgateway']}",
                telemetry__metrics_configuration="leavers",
            ) as night,
        ):
            yield night, f"http://127.0.0.1:{ports['prometheus']}/api/v1", hook


def ask(prometheus, expression):
    """Return the series of an expression."""
    return json.loads(read(f"{prometheus}/query?query={quote(expression)}"))["data"]["result"]


def expressions():
    """List the queries of the dashboard, with all its variables on All."""
    panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    for panel in panels:
        for target in panel["targets"]:
            expression = target["expr"]
            for variable in ("configuration", "job", "instance"):
                expression = expression.replace(f"${variable}", ".*")
            yield panel["title"], expression


def test_one_alert_of_two_targets_reaches_the_webhook_and_the_dashboard_shows_one_job(monitored, configure):
    night, prometheus, hook = monitored
    night.enqueue(*task_ids(20), "not-an-id")
    assert night.run("run").exit_code == 65
    night.enqueue("1534087020903704000")
    configure(api__token="Bearer wrong")
    assert night.run("run").exit_code == 77
    last_run = 'task_audit_last_run_exit_code{configuration="leavers"} == 77'
    assert eventually(lambda: len(ask(prometheus, last_run)) == 2), ask(prometheus, last_run)

    assert eventually(lambda: hook.posts), "no alert has come"
    ((_, _, body),) = hook.posts
    (alert,) = json.loads(body)["alerts"]
    firing = ask(prometheus, 'ALERTS{alertstate="firing"}')
    rules = [rule for group in json.loads(read(f"{prometheus}/rules"))["data"]["groups"] for rule in group["rules"]]

    assert (alert["labels"]["alertname"], alert["labels"]["configuration"]) == (
        "TaskAuditCredentialsRefused",
        "leavers",
    )
    assert "The last run of leavers ended with exit code 77." in " ".join(alert["annotations"]["description"].split())
    # Neither rule about 26 hours fires on the first day, although no run has ended with 0.
    assert [series["metric"]["alertname"] for series in firing] == ["TaskAuditCredentialsRefused"]
    assert {rule["health"] for rule in rules} == {"ok"}
    for title, expression in expressions():
        series = [str(sorted(each["metric"].items())) for each in ask(prometheus, expression)]
        assert series, title
        assert len(series) == len(set(series)), title
        assert not any("instance" in each for each in series), title
