"""The settings, one frozen model a section.

The docstring below each key is its meaning in docs/reference/settings.md and in every written configuration file.
Secrets and database URLs are ``SecretStr``, which does not print them.
"""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator

from etl.database.engines import engine_of
from etl.database.url import file_of, parse_database_url
from etl.settings.checks import (
    check_file_name,
    check_location,
    check_source_url,
    check_table_name,
    check_textfile,
    check_warehouse_url,
    require_at_most_one,
    wrong_keys,
)
from etl.settings.names import LogFormat
from etl.settings.section import Section
from etl.settings.types import (
    BaseUrl,
    HeaderValue,
    HmacKey,
    Identifier,
    ProxyUrl,
    Secret,
    SecretHeader,
    TargetUrl,
    TimeZone,
    VariableName,
)

MAX_QUEUE_NAME_LENGTH = 50
"""Characters: PostgreSQL allows 63, of which the names of constraints and indexes need some."""

CLIENT_KEYS = ("client_key_file", "client_key_password", "client_key_password_file")


class SourceSettings(Section):
    """The pending table: where a run finds the IDs of tasks."""

    url: Annotated[SecretStr, AfterValidator(check_source_url)] = SecretStr("sqlite:///pending.sqlite")
    """SQLAlchemy URL of the database with the pending table: sqlite, postgresql or mysql (also for MariaDB). A URL with
    a password is a secret: put it into the file source__url of the secrets folder instead."""
    table: Annotated[str, AfterValidator(check_table_name)] = "pending_task"
    """The table of pending tasks, plain or as schema.table. With mode = "read_only" it may be a view."""
    mode: Literal["queue", "read_only"] = "queue"
    """queue: the job's own table with leases, which `task-audit init` creates and several runs may share. read_only:
    your own table or view, which the job never writes to; a task is pending until it has a finished fact or a dead
    letter."""
    task_id_column: Identifier = "task_id"
    """With mode = "read_only": the column with the task ID."""
    submitted_at_column: Identifier | None = Field(default=None, examples=["submitted_at"])
    """With mode = "read_only": the column with the time of submission. Without it the job uses the time inside the
    ID."""
    where: str | None = Field(default=None, examples=["kind = 'leaver'"])
    """With mode = "read_only": an SQL condition that pending rows meet. It is code that can read the whole database."""

    @model_validator(mode="after")
    def _only_read_only_has_columns(self) -> Self:
        read_only_keys = {"task_id_column", "submitted_at_column", "where"} & self.model_fields_set
        if self.mode == "queue" and read_only_keys:
            raise wrong_keys(
                f"{', '.join(sorted(read_only_keys))}: only for mode = 'read_only'",
                keys=[*sorted(read_only_keys), "mode"],
            )
        return self

    @model_validator(mode="after")
    def _table_fits_the_engine(self) -> Self:
        schema, _, name = self.table.rpartition(".")
        engine = engine_of(parse_database_url(self.url))
        if schema and not engine.has_schemas:
            raise wrong_keys(f"table {self.table}: {engine.schema_refusal}", keys=["table"])
        if self.mode == "queue" and len(name) > MAX_QUEUE_NAME_LENGTH:
            problem = f"table: with mode = 'queue' a name has at most {MAX_QUEUE_NAME_LENGTH} characters"
            raise wrong_keys(problem, keys=["table", "mode"])
        return self


class ApiSettings(Section):
    """The KooDrive API: its address, the credentials, and how fast the job asks."""

    base_url: BaseUrl | None = Field(default=None, examples=["https://cn.myhuaweicloud-koodrive.com"])
    """Scheme and host of KooDrive: https://cn.myhuaweicloud-koodrive.com for the China site, or
    https://intl.myhuaweicloud-koodrive.com. http is allowed on this machine only."""
    user_id: HeaderValue | None = Field(default=None, examples=["1505084218764547200"])
    """The user on whose behalf the job asks, sent as X-User-Id. Required with auth = "app"."""
    auth: Literal["token", "app"] = "token"
    """token: requests carry a bearer token. app: requests are signed with an AppId and its AppSecret."""
    token: SecretHeader | None = Field(default=None, examples=[""])
    """The access token, with or without "Bearer " in front. A file is safer."""
    token_file: Path | None = Field(default=None, examples=["/run/secrets/task-audit/token"])
    """A file that holds the access token. The job reads it again when the API refuses the token."""
    token_command: tuple[str, ...] | None = Field(
        default=None, min_length=1, examples=[["vault", "read", "-field=token", "secret/koodrive"]]
    )
    """A command that prints the access token within 30 seconds, as a list of words, since no shell runs it. The job
    runs it again when the API refuses the token."""
    token_command_environment: tuple[VariableName, ...] = ()
    """The names of the environment variables that the command gets in addition to PATH and HOME, for example
    ["VAULT_ADDR"]. It gets none of the others, since they may hold secrets."""
    session_id: SecretHeader | None = Field(default=None, examples=[""])
    """The x-session-id that came with the access token. It renews an expired token. A file is safer."""
    session_id_file: Path | None = Field(default=None, examples=["/run/secrets/task-audit/session_id"])
    """A file that holds the session ID."""
    refresh_token: Secret | None = Field(default=None, examples=[""])
    """The refresh token of the carrier edition. It renews an expired token. A file is safer."""
    refresh_token_file: Path | None = Field(default=None, examples=["/run/secrets/task-audit/refresh_token"])
    """A file that holds the refresh token."""
    app_id: HeaderValue | None = Field(
        default=None, examples=["a378331eca141163119eb602adb67b7802cc79cd33ba44c7d2fe61d1586c96a1"]
    )
    """The AppId of app authentication."""
    app_secret: Secret | None = Field(default=None, examples=[""])
    """The AppSecret of app authentication. A file is safer."""
    app_secret_file: Path | None = Field(default=None, examples=["/run/secrets/task-audit/app_secret"])
    """A file that holds the AppSecret."""
    proxy: ProxyUrl | None = Field(default=None, examples=[""])
    """The HTTP proxy on the way to KooDrive: http://host:port, or with user:password@ in front of the host, which makes
    it a secret. Without it the variables HTTPS_PROXY and NO_PROXY apply, as for all other servers."""
    ca_file: Path | None = Field(default=None, examples=["/etc/task-audit/company-ca.pem"])
    """A file in PEM with certificates of authorities that the job trusts in addition to the system's: for KooDrive, for
    a proxy that inspects its connections, and for the webhook."""
    client_certificate_file: Path | None = Field(default=None, examples=["/etc/task-audit/client.pem"])
    """A file in PEM with the certificate by which the job identifies itself to KooDrive or a gateway before it."""
    client_key_file: Path | None = Field(default=None, examples=["/run/secrets/task-audit/client_key.pem"])
    """A file in PEM with the key of the client certificate, unless the certificate's file holds the key."""
    client_key_password: Secret | None = Field(default=None, examples=[""])
    """The password of an encrypted key. A file is safer."""
    client_key_password_file: Path | None = Field(
        default=None, examples=["/run/secrets/task-audit/client_key_password"]
    )
    """A file that holds the password of the key."""
    language: HeaderValue = "en-US"
    """The language of the messages that KooDrive sends."""
    max_rate: float = Field(default=50, gt=0, le=1_000_000, allow_inf_nan=False)
    """Requests per second, at most, of all runs on one pending table together. KooDrive publishes no limit; Huawei's
    gateways allow 200 by default."""
    concurrency: int = Field(default=64, ge=1, le=1024)
    """Requests in flight, at most. A rate of R requests per second at a latency of L seconds needs about R x L."""
    timeout_seconds: float = Field(default=30, gt=0, le=600, allow_inf_nan=False)
    """Seconds that one request may take, from connecting to the last byte."""
    attempts: int = Field(default=4, ge=1, le=10)
    """Requests for one task in one run, at most. Requests that meet a throttled or unavailable API do not count. Once
    the run has no other task left, a second time-out in a row is final; of a task that failed before, the first is."""
    patience_seconds: float = Field(default=900, ge=0, le=86_400, allow_inf_nan=False)
    """Seconds that a run waits for an API that is down or throttles every request, before it stops."""

    @model_validator(mode="after")
    def _one_place_for_each_secret(self) -> Self:
        require_at_most_one(self, "token", "token_file", "token_command")
        require_at_most_one(self, "app_secret", "app_secret_file")
        require_at_most_one(self, "session_id", "session_id_file", "refresh_token", "refresh_token_file")
        require_at_most_one(self, "client_key_password", "client_key_password_file")
        return self

    @model_validator(mode="after")
    def _a_key_has_its_certificate(self) -> Self:
        keys = [name for name in CLIENT_KEYS if getattr(self, name)]
        if keys and self.client_certificate_file is None:
            raise wrong_keys(f"{', '.join(keys)}: only with client_certificate_file", keys=keys)
        return self


class WarehouseSettings(Section):
    """The warehouse: where a run writes its facts."""

    url: Annotated[SecretStr, AfterValidator(check_warehouse_url)] = SecretStr("duckdb:///warehouse.duckdb")
    """SQLAlchemy URL of the warehouse: duckdb, sqlite, postgresql or mysql (also for MariaDB). A URL with a password is
    a secret: put it into the file warehouse__url of the secrets folder instead."""
    schema_name: Identifier | None = Field(default=None, alias="schema", examples=["task_audit"])
    """The schema of the tables on duckdb and postgresql, which `task-audit init` creates. Without it the tables are in
    the default schema. On mysql the URL names the database instead."""
    time_zone: TimeZone = Field(default="UTC", examples=["Asia/Shanghai"])
    """The IANA name of the zone whose days, weeks and months views and questions show. Jobs on one warehouse need the
    same zone; `task-audit init`, or the next run, follows a change."""

    read_copy: Annotated[Path, AfterValidator(check_file_name)] | None = Field(
        default=None, examples=["/srv/analysts/warehouse.duckdb"]
    )
    """A file that each run replaces by a copy of the warehouse at its end, for people to read: who has it open never
    keeps a run waiting. Only if the warehouse is a file of duckdb or sqlite. Replay, labels, dead-letters and init
    renew the copy, too."""
    read_url: Annotated[SecretStr, AfterValidator(check_warehouse_url)] | None = Field(
        default=None, examples=["postgresql://ann@db.internal/warehouse"]
    )
    """The URL at which `task-audit mcp` and `export` read the warehouse: as a user who may only read, from a standby,
    or from the copy for readers. Without it they read at `url`, in transactions that cannot write. A URL with a
    password is a secret: put it into the file warehouse__read_url of the secrets folder instead."""

    @property
    def for_reading(self) -> "WarehouseSettings":
        """The same warehouse as ``read_url`` leads to it, if there is one."""
        return self.model_copy(update={"url": self.read_url or self.url})

    @model_validator(mode="after")
    def _read_copy_fits_the_engine(self) -> Self:
        if self.read_copy is None:
            return self
        file = file_of(parse_database_url(self.url))
        if file is None:
            raise wrong_keys("read_copy: only if the warehouse is a file", keys=["read_copy", "url"])
        if self.read_copy.resolve() == file.resolve():
            raise wrong_keys("read_copy: is the file of the warehouse itself", keys=["read_copy", "url"])
        return self

    @model_validator(mode="after")
    def _schema_fits_the_engine(self) -> Self:
        if self.schema_name and (refusal := engine_of(parse_database_url(self.url)).schema_refusal):
            raise wrong_keys(f"schema: {refusal}", keys=["schema"])
        return self


class RunSettings(Section):
    """The limits of one run."""

    batch_size: int = Field(default=5_000, ge=1, le=100_000)
    """Tasks in one load, at most. A smaller load starts when its first response is five seconds old."""
    lease_seconds: float = Field(default=300, ge=3, le=86_400, allow_inf_nan=False)
    """Seconds that a claim holds without a heartbeat. Another run takes over the tasks of a crashed run after that. All
    runs on one pending table need the same value: a longer lease than their own belongs to no run."""
    deadline_seconds: float | None = Field(default=None, gt=0, allow_inf_nan=False, examples=[21_600])
    """Seconds after which a run ends cleanly with 75; the rest stays pending. Without it there is no limit."""
    dead_letter_after: int = Field(default=5, ge=1, le=1_000)
    """Runs in which a task may fail temporarily (outage, time-out) before it becomes a dead letter."""
    recheck_seconds: float = Field(default=600, ge=0, le=86_400, allow_inf_nan=False)
    """Seconds until an open task is due again, doubled with each unchanged look and less than a day; 0: at once."""


class ArchiveSettings(Section):
    """The optional archive of KooDrive's responses."""

    location: Annotated[str, AfterValidator(check_location)] | None = Field(
        default=None, examples=["s3://task-audit/answers"]
    )
    """A folder, or a bucket of an S3-compatible store (s3://bucket/folder), that keeps every accepted response
    unchanged as Parquet. Without it the job keeps no responses."""
    s3_endpoint: BaseUrl | None = Field(default=None, examples=["https://obs.cn-north-4.myhuaweicloud.com"])
    """The address of a store other than AWS: https, or http on this machine only."""
    s3_region: str | None = Field(default=None, examples=["cn-north-4"])
    """The region of the store."""
    s3_access_key_id: str | None = Field(default=None, examples=[""])
    """The access key. Without it the job uses the credentials of the environment or of the machine's role."""
    s3_secret_access_key: Secret | None = Field(default=None, examples=[""])
    """The secret of the access key. A file is safer."""
    s3_secret_access_key_file: Path | None = Field(
        default=None, examples=["/run/secrets/task-audit/s3_secret_access_key"]
    )
    """A file that holds the secret of the access key."""
    hmac_key: HmacKey | None = Field(default=None, examples=[""])
    """A key of 32 characters or more, with which the job signs each file of the archive (HMAC-SHA-256), so that a
    replay refuses files that others have changed or written. A file is safer. Without it files have only a checksum."""
    hmac_key_file: Path | None = Field(default=None, examples=["/run/secrets/task-audit/archive_hmac_key"])
    """A file that holds this key."""

    @model_validator(mode="after")
    def _keys_fit_the_location(self) -> Self:
        keys = sorted(name for name in self.model_fields_set if name.startswith("s3_") and getattr(self, name))
        if keys and not (self.location or "").startswith("s3://"):
            raise wrong_keys(
                f"{', '.join(keys)}: only if location is a bucket (s3://bucket/folder)", keys=[*keys, "location"]
            )
        require_at_most_one(self, "s3_secret_access_key", "s3_secret_access_key_file")
        require_at_most_one(self, "hmac_key", "hmac_key_file")
        return self


class TelemetrySettings(Section):
    """The log, and the servers that receive metrics, traces and lineage."""

    log_format: LogFormat = "auto"
    """auto: readable lines on a terminal, JSON elsewhere. console, json: always that format."""
    metrics_textfile: Annotated[Path, AfterValidator(check_textfile)] | None = Field(
        default=None, examples=["/var/lib/node_exporter/textfile/task_audit.prom"]
    )
    """A file for node_exporter's textfile collector, ending in .prom. Each run replaces the whole file at its end, and
    the run of a shard a file of its own beside it, such as task_audit-shard-0.prom. All users may read it."""
    metrics_configuration: str | None = Field(default=None, min_length=1, max_length=100, examples=["leavers"])
    """The label `configuration` of all metrics. Without it the label is made from the names of the two databases, so
    that two configurations always have different series. With it, each configuration also has its own group on the
    Pushgateway."""
    pushgateway_url: TargetUrl | None = Field(default=None, examples=["http://pushgateway:9091"])
    """The address of a Prometheus Pushgateway that receives the metrics of each run."""
    pushgateway_job: str = Field(default="task-audit", min_length=1)
    """The job label of the metrics on the Pushgateway."""
    otlp_endpoint: TargetUrl | None = Field(default=None, examples=["http://collector:4318"])
    """The address of an OpenTelemetry collector that receives the trace and the metrics of each run by OTLP over HTTP.
    It needs the extra otel. Headers come from OTEL_EXPORTER_OTLP_HEADERS, and need https or this machine."""
    openlineage_url: TargetUrl | None = Field(default=None, examples=["http://marquez:5000"])
    """The address of an OpenLineage server that receives an event when a run begins and when it ends. It needs the
    extra lineage. The API key comes from OPENLINEAGE_API_KEY, and needs https or this machine."""
    openlineage_namespace: str = Field(default="task-audit", min_length=1)
    """The namespace of the job on the OpenLineage server."""
