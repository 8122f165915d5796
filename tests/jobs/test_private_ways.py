"""Credentials for collectors cross no network in clear text."""

import pytest

from etl.errors import ConfigurationError
from etl.jobs.servers import require_private_way

OTLP, LINEAGE = "telemetry.otlp_endpoint", "telemetry.openlineage_url"


@pytest.mark.parametrize(
    ("setting", "address", "variable", "is_refused"),
    [
        (OTLP, "http://collector.example:4318", "OTEL_EXPORTER_OTLP_HEADERS", True),
        (OTLP, "http://collector.example:4318", "OTEL_EXPORTER_OTLP_TRACES_HEADERS", True),
        (OTLP, "http://collector.example:4318", "OPENLINEAGE_API_KEY", False),
        (OTLP, "https://collector.example:4318", "OTEL_EXPORTER_OTLP_HEADERS", False),
        (OTLP, "http://[::1]:4318", "OTEL_EXPORTER_OTLP_HEADERS", False),
        (LINEAGE, "http://127.0.0.1.example:5000", "OPENLINEAGE_API_KEY", True),
        (LINEAGE, "http://localhost:5000", "OPENLINEAGE_API_KEY", False),
        ("telemetry.pushgateway_url", "http://pushgateway:9091", "OPENLINEAGE_API_KEY", False),
    ],
)
def test_only_https_and_this_machine_receive_a_credential(setting, address, variable, is_refused, monkeypatch):
    monkeypatch.setenv(variable, "CANARY-key")
    if not is_refused:
        require_private_way(setting, address)
        return
    with pytest.raises(ConfigurationError, match=f"{setting} must be https: {variable}") as refused:
        require_private_way(setting, address)
    assert "CANARY" not in str(refused.value)


def test_a_run_refuses_before_it_asks_and_doctor_finds_it(night_of, configure, monkeypatch):
    with night_of() as night:
        night.enqueue("1534087020903704704")
        monkeypatch.setenv("OPENLINEAGE_API_KEY", "CANARY-key")
        configure(telemetry__openlineage_url="http://marquez.example:5000")

        assert night.run("run").exit_code == 78
        assert night.api.stats.requests == 0
        examined = night.run("doctor")

    assert examined.exit_code == 78
    assert "telemetry.openlineage_url must be https" in examined.stdout
