"""The labels that all metrics of one configuration have, so that the series of two configurations differ."""

from hashlib import sha256
from pathlib import Path
from platform import node

from pydantic import SecretStr

from etl.database.engines import engine_of
from etl.database.url import parse_database_url
from etl.settings.load import Settings
from etl.tasks import Shard

DIGEST_LENGTH = 8
"""Characters: enough to tell apart the configurations of one company."""

LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def labels_of(settings: Settings, shard: Shard | None = None) -> dict[str, str]:
    """Return the label ``configuration`` and, for the run of a shard, ``shard``."""
    labels = {"configuration": settings.telemetry.metrics_configuration or _made_from_databases(settings)}
    return labels | ({"shard": str(shard.index)} if shard else {})


def _made_from_databases(settings: Settings) -> str:
    """Name a configuration by its two databases, which all metrics are about, whichever machine reports them."""
    source, warehouse = settings.source, settings.warehouse
    places = [*_place(source.url), source.table, *_place(warehouse.url), warehouse.schema_name or ""]
    digest = sha256("\n".join(places).encode()).hexdigest()[:DIGEST_LENGTH]
    return f"{Path(parse_database_url(warehouse.url).database or '').stem}-{digest}"


def _place(secret_url: SecretStr) -> tuple[str, str]:
    """Return the server, and the database; one on this machine is another than one of the same name elsewhere."""
    url = parse_database_url(secret_url)
    database = url.database or ""
    if engine_of(url).is_file:
        return node(), str(Path(database).resolve())
    host = str(url.host or url.query.get("host") or "localhost")
    machine = node() if host in LOOPBACK or host.startswith("/") else host
    return f"{machine}:{url.port or url.query.get('port')}", database
