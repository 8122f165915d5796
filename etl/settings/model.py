"""The settings, one frozen value per room.

What each key means is said here once, in the words below it, which every written configuration file repeats, with the
default or else an example as its value; how it is read is in ``configuration``. Secrets and database URLs are
``SecretStr``: they cannot be printed by accident.
"""

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Literal, Self

import yarl
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator
from sqlalchemy.exc import ArgumentError

from etl.database.url import DRIVER_NAMES, FILES, parse_database_url

SOURCE_ENGINES = ("sqlite", "postgresql", "mysql")

WAREHOUSE_ENGINES = ("duckdb", "sqlite", "postgresql", "mysql")

MAX_QUEUE_NAME = 50
"""PostgreSQL's 63 characters, less what the names of constraints add."""

IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")

BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?:/|\Z)")

LOCALHOST_NAMES = frozenset({"localhost"})


def _check_engine(url: SecretStr, engines: tuple[str, ...]) -> SecretStr:
    try:
        parsed = parse_database_url(url)
    except ArgumentError:
        raise ValueError("is not an SQLAlchemy URL such as postgresql://user@host/database") from None
    engine = parsed.get_backend_name()
    if engine not in engines:
        raise ValueError(f"names the engine {engine!r}; supported here: {', '.join(engines)}")
    if parsed.drivername != DRIVER_NAMES[engine]:
        raise ValueError(f"names the driver {parsed.get_driver_name()!r}; supported here: {DRIVER_NAMES[engine]}")
    if engine in FILES and parsed.database in {None, "", ":memory:"}:
        raise ValueError("names no file; a database in memory would be lost with the run")
    if engine == "mysql" and not parsed.database:
        raise ValueError("names no database, as in mysql://user@host/database")
    if engine not in FILES and url.get_secret_value().count("@") > 1:
        # The rest of such a password would be taken for a host, and shown as one.
        raise ValueError("has an @ too many; write those of a password as %40, and / as %2F")
    return url


def _check_source_url(url: SecretStr) -> SecretStr:
    return _check_engine(url, SOURCE_ENGINES)


def _check_warehouse_url(url: SecretStr) -> SecretStr:
    return _check_engine(url, WAREHOUSE_ENGINES)


def _check_identifier(name: str) -> str:
    if not IDENTIFIER.fullmatch(name):
        raise ValueError("is not a plain SQL name (letters, digits and _, at most 63)")
    return name


def _check_table_name(name: str) -> str:
    parts = name.split(".")
    if len(parts) > 2 or not all(IDENTIFIER.fullmatch(part) for part in parts):  # noqa: PLR2004 - schema.table
        raise ValueError("is not a table name, plain or as schema.table")
    return name


def is_loopback(host: str) -> bool:
    """Say whether a host name or address stays on this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host in LOCALHOST_NAMES


def _check_base_url(value: str) -> str:
    try:
        url = yarl.URL(value.strip())
    except ValueError:
        raise ValueError("is not a URL such as https://cn.myhuaweicloud-koodrive.com") from None
    if url.scheme not in {"http", "https"} or not url.host:
        raise ValueError("is not a URL such as https://cn.myhuaweicloud-koodrive.com")
    if url.user or url.password or url.query_string or url.fragment:
        raise ValueError("holds more than scheme, host, port and path; credentials have settings of their own")
    if url.scheme == "http" and not is_loopback(url.host):
        raise ValueError("must be https: credentials would cross the network in clear text")
    return value.strip().rstrip("/")


def _check_target_url(value: str) -> str:
    # No secret goes there, so it need not be https.
    try:
        url = yarl.URL(value.strip())
    except ValueError:
        raise ValueError("is not a URL such as http://pushgateway:9091") from None
    if url.scheme not in {"http", "https"} or not url.host:
        raise ValueError("is not a URL such as http://pushgateway:9091")
    if url.user or url.password or url.query_string or url.fragment:
        raise ValueError("holds more than scheme, host, port and path")
    return value.strip().rstrip("/")


def check_webhook_url(secret: SecretStr) -> SecretStr:
    """Check the address of a webhook, which is a secret.

    Raises:
        ValueError: it is none, or would cross the network in clear text.
    """
    try:
        url = yarl.URL(secret.get_secret_value().strip())
    except ValueError:
        raise ValueError("is not a URL such as https://hooks.slack.com/services/...") from None
    if url.scheme not in {"http", "https"} or not url.host:
        raise ValueError("is not a URL such as https://hooks.slack.com/services/...")
    if url.scheme == "http" and not is_loopback(url.host):
        raise ValueError("must be https: the address is a secret")
    return SecretStr(str(url))


def _check_textfile(file: Path) -> Path:
    if file.suffix != ".prom":
        raise ValueError("does not end in .prom, and node_exporter reads no other file")
    return file


def _check_location(value: str) -> str:
    scheme, separator, rest = value.partition("://")
    if not separator:
        if not value.strip():
            raise ValueError("is empty")
    elif scheme != "s3" or not BUCKET_NAME.match(rest):
        raise ValueError("is neither a folder nor a bucket such as s3://bucket/folder")
    if "*" in value or "?" in value or "[" in value:
        raise ValueError("holds a wildcard")
    return value


def _check_header_value(value: str) -> str:
    if not value.isascii() or not value.isprintable() or not value.strip():
        raise ValueError("must be printable ASCII, since it travels in a header")
    return value


def _check_secret_header(secret: SecretStr) -> SecretStr:
    _check_header_value(secret.get_secret_value().strip())
    return secret


def _check_secret(secret: SecretStr) -> SecretStr:
    # A variable that is set to nothing is a secret that somebody forgot to fill in.
    if not secret.get_secret_value().strip():
        raise ValueError("is empty")
    return secret


HeaderValue = Annotated[str, AfterValidator(_check_header_value)]
Secret = Annotated[SecretStr, AfterValidator(_check_secret)]
WebhookUrl = Annotated[Secret, AfterValidator(check_webhook_url)]
SecretHeader = Annotated[Secret, AfterValidator(_check_secret_header)]


class Section(BaseModel):
    """A section of the configuration: unknown keys are refused, inputs never shown."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, validate_default=True)


class SourceSettings(Section):
    """Where pending task IDs come from."""

    url: Annotated[SecretStr, AfterValidator(_check_source_url)] = SecretStr("sqlite:///pending.sqlite")
    """SQLAlchemy URL of the pending database: sqlite, postgresql or mysql (MariaDB, too). A URL with a password is a
    secret: put it into a file source__url of the secrets folder instead."""
    table: Annotated[str, AfterValidator(_check_table_name)] = "pending_task"
    """Table (or, read_only, view) of pending tasks, plain or as schema.table."""
    mode: Literal["queue", "read_only"] = "queue"
    """queue: the job's own table, made by `task-audit init`, with leases; several runs may share it. read_only: your
    own table or view, never written to; pending is what has no finished fact and no dead letter yet."""
    task_id_column: Annotated[str, AfterValidator(_check_identifier)] = "task_id"
    """read_only: the column with the task ID."""
    submitted_at_column: Annotated[str, AfterValidator(_check_identifier)] | None = Field(
        default=None, examples=["submitted_at"]
    )
    """read_only: the column with the time of submission; without it the time inside the ID is used."""
    where: str | None = Field(default=None, examples=["kind = 'leaver'"])
    """read_only: an SQL condition that pending rows meet. It is code: whoever sets it can read the database."""

    @model_validator(mode="after")
    def _only_read_only_has_columns(self) -> Self:
        read_only_keys = {"task_id_column", "submitted_at_column", "where"} & self.model_fields_set
        if self.mode == "queue" and read_only_keys:
            raise ValueError(f"{', '.join(sorted(read_only_keys))}: only for mode = 'read_only'")
        return self

    @model_validator(mode="after")
    def _table_fits_the_engine(self) -> Self:
        schema, _, name = self.table.rpartition(".")
        if schema and parse_database_url(self.url).get_backend_name() == "sqlite":
            raise ValueError(f"table {self.table}: SQLite has no schemas")
        if self.mode == "queue" and len(name) > MAX_QUEUE_NAME:
            raise ValueError(f"table: a name of at most {MAX_QUEUE_NAME} characters, please, for mode = 'queue'")
        return self


class ApiSettings(Section):
    """How KooDrive is asked."""

    base_url: Annotated[str, AfterValidator(_check_base_url)] | None = Field(
        default=None, examples=["https://cn.myhuaweicloud-koodrive.com"]
    )
    """Scheme and host of KooDrive: https://cn.myhuaweicloud-koodrive.com, the China site, or
    https://intl.myhuaweicloud-koodrive.com; http only on this machine."""
    user_id: HeaderValue | None = Field(default=None, examples=["1505084218764547200"])
    """X-User-Id: the user on whose behalf tasks are asked about. Needed with auth = "app"."""
    auth: Literal["token", "app"] = "token"
    """token: a bearer token. app: every request is signed with an AppId and its AppSecret."""
    token: SecretHeader | None = Field(default=None, examples=[""])
    """The access token, with or without "Bearer " in front; better in a file."""
    token_file: Path | None = Field(default=None, examples=["/run/secrets/task-audit/token"])
    """A file that holds the access token; read again when the API refuses it."""
    token_command: tuple[str, ...] | None = Field(
        default=None, min_length=1, examples=[["vault", "read", "-field=token", "secret/koodrive"]]
    )
    """A command that prints the access token, as a list of its words, since there is no shell; run again when the API
    refuses the token."""
    session_id: SecretHeader | None = Field(default=None, examples=[""])
    """The x-session-id that came with the access token; renews the token when it has expired. Better in a file."""
    session_id_file: Path | None = Field(default=None, examples=["/run/secrets/task-audit/session_id"])
    """A file that holds the session ID."""
    refresh_token: Secret | None = Field(default=None, examples=[""])
    """The carrier edition's refresh token; renews the token when it has expired. Better in a file."""
    refresh_token_file: Path | None = Field(default=None, examples=["/run/secrets/task-audit/refresh_token"])
    """A file that holds the refresh token."""
    app_id: HeaderValue | None = Field(
        default=None, examples=["a378331eca141163119eb602adb67b7802cc79cd33ba44c7d2fe61d1586c96a1"]
    )
    """The AppId of app authentication."""
    app_secret: Secret | None = Field(default=None, examples=[""])
    """The AppSecret of app authentication; better in a file."""
    app_secret_file: Path | None = Field(default=None, examples=["/run/secrets/task-audit/app_secret"])
    """A file that holds the AppSecret."""
    language: HeaderValue = "en-US"
    """Language of the messages that KooDrive sends."""
    max_rate: float = Field(default=50, gt=0, le=1_000_000, allow_inf_nan=False)
    """Requests per second, at most, of all runs on one pending table together. KooDrive publishes no limit; Huawei's
    gateways allow 200 unless told otherwise."""
    concurrency: int = Field(default=64, ge=1, le=1024)
    """Requests in flight, at most. With a latency of L seconds, a rate of R needs about R x L of them."""
    timeout_seconds: float = Field(default=30, gt=0, le=600, allow_inf_nan=False)
    """Seconds for one request, from connecting to the last byte."""
    attempts: int = Field(default=4, ge=1, le=10)
    """Requests for one task in one run, at most; those that met a throttled or closed API do not count."""
    patience_seconds: float = Field(default=900, ge=0, le=86_400, allow_inf_nan=False)
    """Seconds to wait for an API that is down or throttles everything, before the run gives up."""

    @model_validator(mode="after")
    def _one_place_for_each_secret(self) -> Self:
        for names in (
            ("token", "token_file", "token_command"),
            ("app_secret", "app_secret_file"),
            ("session_id", "session_id_file", "refresh_token", "refresh_token_file"),
        ):
            given = [name for name in names if getattr(self, name) is not None]
            if len(given) > 1:
                raise ValueError(f"{' and '.join(given)} are both set; keep one")
        return self


class WarehouseSettings(Section):
    """Where the facts go."""

    url: Annotated[SecretStr, AfterValidator(_check_warehouse_url)] = SecretStr("duckdb:///warehouse.duckdb")
    """SQLAlchemy URL of the warehouse: duckdb, sqlite, postgresql or mysql (MariaDB, too). A URL with a password is a
    secret: put it into a file warehouse__url of the secrets folder instead."""
    schema_name: Annotated[str, AfterValidator(_check_identifier)] | None = Field(
        default=None, alias="schema", examples=["task_audit"]
    )
    """Schema of the tables (duckdb, postgresql), which `task-audit init` makes; without one, the database's own
    default. With mysql the URL names the database."""

    @model_validator(mode="after")
    def _schema_fits_the_engine(self) -> Self:
        engine = parse_database_url(self.url).get_backend_name() if self.schema_name else None
        if engine == "sqlite":
            raise ValueError("schema: SQLite has no schemas")
        if engine == "mysql":
            raise ValueError("schema: a schema of MySQL is a database; name it in the URL")
        return self


class RunSettings(Section):
    """How one run behaves."""

    batch_size: int = Field(default=5_000, ge=1, le=100_000)
    """Tasks in one load, at most. A load also happens when its first answer is five seconds old."""
    lease_seconds: float = Field(default=300, ge=3, le=86_400, allow_inf_nan=False)
    """Seconds that a claim holds without a heartbeat: what a crash costs before another run takes over."""
    deadline_seconds: float | None = Field(default=None, gt=0, allow_inf_nan=False, examples=[21_600])
    """Seconds after which a run ends cleanly with 75, and the rest stays pending; without it, there is no limit."""
    dead_letter_after: int = Field(default=5, ge=1, le=1_000)
    """Runs that may fail a task for now (outage, time-out) before it is a dead letter."""


class ArchiveSettings(Section):
    """Where the answers are kept as they came, if wanted."""

    location: Annotated[str, AfterValidator(_check_location)] | None = Field(
        default=None, examples=["s3://task-audit/answers"]
    )
    """Where every accepted answer is kept as it came, as Parquet: a folder, or a bucket of a store that speaks S3
    (s3://bucket/folder). Without it, nothing is kept."""
    s3_endpoint: Annotated[str, AfterValidator(_check_base_url)] | None = Field(
        default=None, examples=["https://obs.cn-north-4.myhuaweicloud.com"]
    )
    """The store's address, where it is not AWS: https, or http on this machine."""
    s3_region: str | None = Field(default=None, examples=["cn-north-4"])
    """The store's region."""
    s3_access_key_id: str | None = Field(default=None, examples=[""])
    """The access key; without it, what the environment or the machine's role offers."""
    s3_secret_access_key: Secret | None = Field(default=None, examples=[""])
    """The secret of the access key; better in a file."""
    s3_secret_access_key_file: Path | None = Field(
        default=None, examples=["/run/secrets/task-audit/s3_secret_access_key"]
    )
    """A file that holds the secret of the access key."""

    @model_validator(mode="after")
    def _keys_fit_the_location(self) -> Self:
        keys = sorted(name for name in self.model_fields_set if name.startswith("s3_") and getattr(self, name))
        if keys and not (self.location or "").startswith("s3://"):
            raise ValueError(f"{', '.join(keys)}: only where location is a bucket (s3://bucket/folder)")
        if self.s3_secret_access_key is not None and self.s3_secret_access_key_file is not None:
            raise ValueError("s3_secret_access_key and s3_secret_access_key_file are both set; keep one")
        return self


class TelemetrySettings(Section):
    """What the run tells."""

    log_format: Literal["auto", "console", "json"] = "auto"
    """auto: lines for a person on a terminal, JSON elsewhere. console or json: always so."""
    metrics_textfile: Annotated[Path, AfterValidator(_check_textfile)] | None = Field(
        default=None, examples=["/var/lib/node_exporter/textfile/task_audit.prom"]
    )
    """A file for node_exporter's textfile collector, ending in .prom; replaced as a whole after each run."""
    pushgateway_url: Annotated[str, AfterValidator(_check_target_url)] | None = Field(
        default=None, examples=["http://pushgateway:9091"]
    )
    """Address of a Prometheus Pushgateway, told after each run."""
    pushgateway_job: str = Field(default="task-audit", min_length=1)
    """The job label there."""
    otlp_endpoint: Annotated[str, AfterValidator(_check_target_url)] | None = Field(
        default=None, examples=["http://collector:4318"]
    )
    """Address of an OpenTelemetry collector that speaks OTLP over HTTP, told the trace and the metrics of each run;
    needs the extra otel. Headers come from OTEL_EXPORTER_OTLP_HEADERS."""
    openlineage_url: Annotated[str, AfterValidator(_check_target_url)] | None = Field(
        default=None, examples=["http://marquez:5000"]
    )
    """Address of an OpenLineage server, told when a run begins and how it ended; needs the extra lineage. Its key comes
    from OPENLINEAGE_API_KEY."""
    openlineage_namespace: str = Field(default="task-audit", min_length=1)
    """The namespace of the job there."""


class NotifySettings(Section):
    """Who is told of a run, and when."""

    webhook_url: WebhookUrl | None = Field(default=None, examples=[""])
    """Where messages are posted, such as an incoming webhook of Slack; a secret, since whoever has it can write there:
    better in a file. Without it, nobody is told."""
    webhook_url_file: Path | None = Field(default=None, examples=["/run/secrets/task-audit/webhook_url"])
    """A file that holds it."""
    template: Path | None = Field(default=None, examples=["/etc/task-audit/notification.json"])
    """A JSON file to post, with $text and others in its texts; without it {"text": ...}, as Slack wants it."""
    exit_codes: tuple[Literal[65, 69, 70, 75, 77, 78], ...] = (69, 70, 75, 77, 78)
    """Tell of a run that ends with one of these."""
    dead_letters_above: int = Field(default=0, ge=0)
    """Tell of a run that makes more dead letters than these."""
    nothing_audited: bool = True
    """Tell of a run that audits nothing although tasks are pending."""
    new_result_codes: bool = True
    """Tell of a run that meets result codes that were never met before."""

    @model_validator(mode="after")
    def _one_address(self) -> Self:
        if self.webhook_url is not None and self.webhook_url_file is not None:
            raise ValueError("webhook_url and webhook_url_file are both set; keep one")
        return self
