"""The settings of a simulated night."""

from pydantic import SecretStr

from etl.settings.load import Settings
from etl.settings.model import ApiSettings, RunSettings, SourceSettings, WarehouseSettings
from tests.simulation.api import SESSION, TOKENS


def settings_of(scenario, databases):
    """Make the settings of a night, as the command would read them."""
    return Settings.model_construct(
        source=SourceSettings(url=SecretStr(databases["queue"].url)),
        warehouse=WarehouseSettings(url=SecretStr(databases["warehouse"].url)),
        api=ApiSettings(
            base_url="https://koodrive.example.com",
            token=SecretStr(TOKENS[0]),
            session_id=SecretStr(SESSION),
            max_rate=scenario.max_rate,
            concurrency=scenario.concurrency,
            attempts=scenario.attempts,
            timeout_seconds=scenario.timeout_seconds,
            patience_seconds=scenario.patience_seconds,
        ),
        run=RunSettings(
            batch_size=scenario.batch_size,
            lease_seconds=scenario.lease_seconds,
            dead_letter_after=scenario.dead_letter_after,
            recheck_seconds=scenario.recheck_seconds,
        ),
        archive=Settings.model_fields["archive"].default,
        telemetry=Settings.model_fields["telemetry"].default,
        notify=Settings.model_fields["notify"].default,
    )
