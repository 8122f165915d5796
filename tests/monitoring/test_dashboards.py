"""The dashboards have keys that Grafana knows, metrics that a run reports, and SQL that PostgreSQL runs."""

import json
import re

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard
from pydantic import SecretStr
from sqlalchemy import text

from etl.exit_codes import ExitCode
from etl.resources import resource
from tests.monitoring.promql import selectors
from tests.nights import task_ids

FILES = sorted(resource("configs", "grafana").glob("*.json"))
TIME_FILTER = re.compile(r"\$__timeFilter\(((?:[^()]|\([^()]*\))*)\)")


def dashboard(name):
    return json.loads(resource("configs", "grafana", name).read_text(encoding="utf-8"))


def targets(name):
    return [(panel, target) for panel in dashboard(name)["panels"] for target in panel["targets"]]


def known(part, beside):
    """Return the part of a dashboard that Grafana's model keeps."""
    if isinstance(part, dict):
        return {key: known(value, beside[key]) for key, value in part.items() if key in beside}
    if isinstance(part, list):
        return [known(*each) for each in zip(part, beside, strict=True)]
    return beside


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_grafana_knows_every_key(file):
    register_default_plugins()
    written = json.loads(file.read_text(encoding="utf-8"))
    read = json.loads(json.dumps(Dashboard.from_json(written), cls=JSONEncoder))

    assert known(written, read) == written


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_panels_have_distinct_titles_and_do_not_overlap(file):
    panels = dashboard(file.name)["panels"]
    places = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]

    assert len({panel["id"] for panel in panels}) == len({panel["title"] for panel in panels}) == len(panels)
    assert len(set(places)) == len(places)
    assert all(x < 24 for x, _ in places)
    assert all(panel["description"] for panel in panels)
    assert len({dashboard(each.name)["uid"] for each in FILES}) == len(FILES)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_panel_of_the_last_run_names_every_exit_code(file):
    (panel,) = [panel for panel in dashboard(file.name)["panels"] if panel["title"] == "Last run"]
    shown = panel["fieldConfig"]["defaults"]["mappings"][0]["options"]

    # With a wrong command line there is no run.
    assert set(shown) == {str(int(code)) for code in ExitCode if code != ExitCode.USAGE}


def test_the_dashboard_uses_metrics_that_a_run_reports(reported_metrics):
    asked = [selectors(target["expr"]) for _, target in targets("prometheus.json")]

    assert {metric for metrics in asked for metric, _ in metrics} <= set(reported_metrics)
    for metrics in asked:
        for metric, labels in metrics:
            assert labels <= reported_metrics[metric] | {"instance", "job"}, metric


@pytest.fixture
def night(night_of, postgres_url):
    with night_of(None, SecretStr(postgres_url), SecretStr(postgres_url)) as night:
        night.enqueue(*task_ids(60), "not-an-id")
        assert night.run("run").exit_code == 65
        yield night


def as_sent(sql):
    """Return a statement as Grafana sends it to PostgreSQL, for the last thirty days."""
    return TIME_FILTER.sub(r"\1 BETWEEN CURRENT_TIMESTAMP - INTERVAL '30 days' AND CURRENT_TIMESTAMP", sql)


def test_the_sql_runs_on_postgresql_and_shows_the_results_of_a_night(night, postgres_url):
    from etl.database.connections import open_engine

    engine = open_engine(SecretStr(postgres_url), name="the warehouse")
    with engine.execution_options(postgresql_readonly=True).connect() as connection:
        found = {
            panel["title"]: [dict(row) for row in connection.execute(text(as_sent(target["rawSql"]))).mappings()]
            for panel, target in targets("warehouse.json")
        }
        formats = {panel["title"]: target["format"] for panel, target in targets("warehouse.json")}
    engine.dispose()

    assert found["Last run"] == [{"exit_code": 65}]
    assert found["Open dead letters"] == [{"tasks": 1}]
    assert found["Runs that do not balance"] == [{"runs": 0}]
    assert found["Runs"][0]["audited"] == 60
    assert 0 <= found["Since a run went through"][0]["seconds"] < 600
    assert found["Failures by result code"]
    assert found["New result codes"]
    assert found["Open dead letters by reason"][0]["reason"] == "invalid_id"
    for title, rows in found.items():
        if formats[title] == "time_series":
            assert all(row["time"].utcoffset().total_seconds() == 0 for row in rows), title
