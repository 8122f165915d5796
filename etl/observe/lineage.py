"""Reports a run to an OpenLineage server: the tables and the API that the facts come from, and how the run ended.

The client reads the rest of OpenLineage's configuration itself, such as filters and tags. The key of the server is
OPENLINEAGE_API_KEY. This module needs the extra ``lineage``.
"""

import os
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import msgspec
from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState, set_producer
from openlineage.client.facet_v2 import (
    DatasetFacet,
    OutputDatasetFacet,
    RunFacet,
    column_lineage_dataset,
    error_message_run,
    job_type_job,
    output_statistics_output_dataset,
    processing_engine_run,
    schema_dataset,
)
from openlineage.client.transport.http import ApiKeyTokenProvider, HttpConfig, HttpTransport, TokenProvider
from pydantic import SecretStr
from sqlalchemy import URL, Table

from etl import __version__
from etl.database.engines import engine_of
from etl.database.url import parse_database_url
from etl.exit_codes import ExitCode
from etl.observe.requests_session import ProxiedSession
from etl.runs import AuditRun
from etl.settings.load import Settings
from etl.settings.model import SourceSettings
from etl.source.tables import pending_table
from etl.tasks.detail import TaskDetail
from etl.warehouse.tables import dead_letter, fact_task_status, fact_task_status_change

JOB = "audit"

API_PATH = "/koodrive/ose/v1/task/{task_id}"

END_STATES = {
    ExitCode.OK: RunState.COMPLETE,
    ExitCode.DEAD_LETTERS: RunState.COMPLETE,
    ExitCode.STOPPED: RunState.ABORT,
}
"""The OpenLineage states of ended runs; every other exit code is a failure."""

set_producer(f"urn:koodrive-task-audit:{__version__}")

SchemaField = schema_dataset.SchemaDatasetFacetFields

Origins = dict[str, column_lineage_dataset.InputField]
"""The source field of each column, by the name of the column."""


def emit(url: str, run: AuditRun, *, settings: Settings, seconds: float) -> None:
    """Send the state of a run once, since a retry would delay the end of the run. The client's exceptions pass through.

    Args:
        url: the address of the server, without the path of its API.
        run: the run that begins, or has ended.
        settings: the databases and the API of the run.
        seconds: the time limit.
    """
    key = os.environ.get("OPENLINEAGE_API_KEY")
    auth = ApiKeyTokenProvider({"api_key": key}) if key else TokenProvider({})
    config = HttpConfig(url=f"{url}/", timeout=seconds, auth=auth, retry={"total": 0}, session=ProxiedSession())
    transport = HttpTransport(config)
    OpenLineageClient(transport=transport).emit(event_of(run, settings))
    transport.close()


def event_of(run: AuditRun, settings: Settings) -> RunEvent:
    """Make the event of a run's state: START for a running one, otherwise how it ended."""
    facets: dict[str, RunFacet] = {
        "processing_engine": processing_engine_run.ProcessingEngineRunFacet(version=run.version, name="task-audit")
    }
    state = RunState.START
    if run.exit_code is not None:
        state = END_STATES.get(ExitCode(run.exit_code), RunState.FAIL)
        if run.error:
            facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(
                message=run.error, programmingLanguage="python"
            )
    inputs = [_pending(settings.source), _api(settings)]
    batch = job_type_job.JobTypeJobFacet(processingType="BATCH", integration="TASK_AUDIT", jobType="JOB")
    return RunEvent(
        eventTime=_timestamp(run.finished_at or run.started_at),
        eventType=state,
        run=Run(runId=run.run_id, facets=facets),
        job=Job(namespace=settings.telemetry.openlineage_namespace, name=JOB, facets={"jobType": batch}),
        inputs=inputs,
        outputs=_outputs(run, settings, origins=_origins(*inputs)),
    )


def _pending(settings: SourceSettings) -> InputDataset:
    if settings.mode == "queue":
        fields = _fields(pending_table(settings.table), settings.url)
    else:
        names = filter(None, (settings.task_id_column, settings.submitted_at_column))
        fields = [SchemaField(name=name) for name in names]
    namespace, name = _dataset(settings.url, settings.table)
    return InputDataset(namespace=namespace, name=name, facets=_schema(fields))


def _api(settings: Settings) -> InputDataset:
    api_fields = msgspec.structs.fields(TaskDetail)
    return InputDataset(
        namespace=settings.api.base_url or "koodrive",
        name=API_PATH,
        facets=_schema(SchemaField(name=field.encode_name) for field in api_fields),
    )


def _origins(pending: InputDataset, api: InputDataset) -> Origins:
    """Map each column of a fact to its source field; the job itself makes the columns that are missing here."""
    from_api = {field.name: _field(api, field.encode_name) for field in msgspec.structs.fields(TaskDetail)}
    schema = (pending.facets or {})["schema"]
    assert isinstance(schema, schema_dataset.SchemaDatasetFacet)  # noqa: S101 - _pending makes it
    names = (field.name for field in schema.fields or ())
    from_queue = dict(zip(("task_id", "submitted_at"), names, strict=False))
    return from_api | {column: _field(pending, name) for column, name in from_queue.items()}


def _field(dataset: InputDataset, name: str) -> column_lineage_dataset.InputField:
    identity = column_lineage_dataset.Transformation(type="DIRECT", subtype="IDENTITY")
    return column_lineage_dataset.InputField(dataset.namespace, dataset.name, name, transformations=[identity])


def _columns_from(table: Table, origins: Origins) -> dict[str, DatasetFacet]:
    found = {
        column.name: column_lineage_dataset.Fields(inputFields=[origins[column.name.removeprefix("previous_")]])
        for column in table.columns
        if column.name.removeprefix("previous_") in origins
    }
    return {"columnLineage": column_lineage_dataset.ColumnLineageDatasetFacet(fields=found)}


def _outputs(run: AuditRun, settings: Settings, *, origins: Origins) -> list[OutputDataset]:
    written = {fact_task_status: run.changed, fact_task_status_change: None, dead_letter: run.dead_lettered}
    outputs = []
    for table, rows in written.items():
        namespace, name = _dataset(settings.warehouse.url, table.name, schema=settings.warehouse.schema_name)
        counted: dict[str, OutputDatasetFacet] = {}
        if rows is not None and run.exit_code is not None:
            statistics = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(rowCount=rows)
            counted["outputStatistics"] = statistics
        facets = _schema(_fields(table, settings.warehouse.url)) | _columns_from(table, origins)
        outputs.append(OutputDataset(namespace=namespace, name=name, facets=facets, outputFacets=counted))
    return outputs


def _dataset(secret_url: SecretStr, table: str, *, schema: str | None = None) -> tuple[str, str]:
    """Return the namespace and the name of a table by OpenLineage's naming convention."""
    url = parse_database_url(secret_url)
    engine = engine_of(url)
    given_schema, _, plain = table.rpartition(".")
    path = engine.path_to_tables(database=url.database, schema=given_schema or schema)
    scheme = engine.lineage_scheme or engine.name
    place = str(Path(url.database or "").resolve()) if engine.is_file else _place(url, engine.port)
    return f"{scheme}://{place}", ".".join([*path, plain])


def _place(url: URL, default_port: int | None) -> str:
    host, port = url.host or url.query.get("host"), url.port or url.query.get("port") or default_port
    # A path is a socket on this machine.
    is_remote = isinstance(host, str) and host and not host.startswith("/")
    return f"{host if is_remote else 'localhost'}:{port}"


def _fields(table: Table, secret_url: SecretStr) -> list[SchemaField]:
    dialect = parse_database_url(secret_url).get_dialect()()
    return [
        SchemaField(name=column.name, type=column.type.compile(dialect), ordinal_position=position)
        for position, column in enumerate(table.columns, start=1)
    ]


def _schema(fields: Iterable[SchemaField]) -> dict[str, DatasetFacet]:
    return {"schema": schema_dataset.SchemaDatasetFacet(fields=list(fields))}


def _timestamp(instant: datetime) -> str:
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")
