"""A known secret in every place that may have one, in front of an API that repeats what it receives."""

import shutil
from urllib.parse import quote

import pytest

from etl.jobs.opening import initialize
from etl.settings.load import Settings
from tests.canary import secret
from tests.repeating_api import repeating
from tests.secrecy.installation import PASSWORD, TOKEN, Installation


@pytest.fixture
def api():
    with repeating() as api:
        yield api


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    """The files of an installation that has done nothing yet; each test has a copy."""
    folder = tmp_path_factory.mktemp("empty")
    urls = {"source": f"sqlite:///{folder}/pending.sqlite", "warehouse": f"duckdb:///{folder}/warehouse.duckdb"}
    initialize(Settings.model_validate({section: {"url": url} for section, url in urls.items()}))
    return folder


@pytest.fixture
def folder(tmp_path, monkeypatch, empty):
    folder = tmp_path / "work"
    shutil.copytree(empty, folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def installed(task_audit, configure, folder, *, monkeypatch, api, patient_reports):
    """An installation with a secret in every place that may have one."""
    # A refusal in no form of KooDrive's is believed after two rests of this length, with all other tasks answered.
    monkeypatch.setattr("etl.run.pipeline.DEFERRED_SECONDS", 0.5)
    monkeypatch.setenv("OPENLINEAGE_API_KEY", secret("lineage"))
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", f"authorization=Bearer%20{quote(secret('otlp'), safe='')}")
    configure(
        api__base_url=api.url,
        api__user_id="1505084218764547200",
        api__token=TOKEN,
        api__session_id=secret("session"),
        api__app_secret=secret("app"),
        api__attempts=1,
        api__max_rate=100_000,
        archive__location="archive",
        telemetry__metrics_textfile="metrics.prom",
        telemetry__pushgateway_url=f"{api.url}/push",
        telemetry__otlp_endpoint=f"{api.url}/otlp",
        telemetry__openlineage_url=f"{api.url}/lineage",
        notify__webhook_url=f"{api.url}/hook/{PASSWORD}",
    )
    return Installation(task_audit, folder)
