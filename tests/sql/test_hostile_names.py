"""No function or operator of a user of the database takes part in a statement that the program sends."""

from uuid import uuid4

import psycopg
import pytest
from pydantic import SecretStr

from etl.database.connections import open_engine
from etl.errors import ConfigurationError
from etl.exit_codes import ExitCode
from etl.fake_api import Behaviour, Fault, StatusWeights
from etl.warehouse.load.loader import Warehouse
from etl.warehouse.read.questions import questions
from etl.warehouse.schema import upgrade_warehouse
from tests.nights import TOKEN, task_ids
from tests.sql.hostile import create_hostile_schema
from tests.warehouse.conftest import Audit

pytestmark = pytest.mark.postgresql

MESSAGE = "permission denied for function"
OWNER = "owner_of_the_tables"
IDS = task_ids(30)
EXECUTING, SUCCESS, FAILED = 1, 2, 3
LOST, FOREIGN = IDS[0], IDS[1]
BEHAVIOUR = Behaviour(
    token=TOKEN,
    progress=True,
    weights=StatusWeights(new=20, executing=20, success=30, failed=30),
    faults=(
        Fault(name="not_found", task_ids=frozenset([LOST])),
        Fault(name="forbidden", task_ids=frozenset([FOREIGN])),
    ),
)

COMMANDS = [
    ["init"],
    ["enqueue", "--file", "ids.txt"],
    ["plan"],
    ["doctor"],
    ["run", "--dry-run"],
    ["run", "--limit", "9"],
    ["run", "--since", "2020-01-01", "--until", "2030-01-01"],
    ["run"],
    ["enqueue", LOST, IDS[2]],
    ["status"],
    ["dead-letters", "list"],
    ["dead-letters", "discard", LOST],
    ["dead-letters", "retry", FOREIGN],
    ["run", "--refetch"],
    ["plan", "--refetch"],
    ["labels", "export"],
    ["labels", "import", "labels.csv"],
    ["replay"],
    ["report", "--out", "report.html"],
    ["report", "--since", "2020-01-01", "--out", "report.html"],
]
"""The commands of a night, its operator and an analyst."""

WELL = {ExitCode.OK, ExitCode.DEAD_LETTERS}
"""The exit codes of commands that sent all their statements."""

GIVEN = {"task_story": ["--param", f"task_id={LOST}"], "as_of": ["--param", "at=2026-11-03T12:00"]}


@pytest.fixture(scope="module")
def hostile_template(postgres_server):
    """A database with the hostile schema, to be copied: to create it takes seconds."""
    name = "hostile_template"
    with psycopg.connect(postgres_server.get_uri(), autocommit=True) as administration:
        administration.execute(f"CREATE DATABASE {name}")
        with psycopg.connect(postgres_server.get_uri().replace("/postgres?", f"/{name}?")) as connection:
            create_hostile_schema(connection)
        administration.execute(f"CREATE ROLE {OWNER} LOGIN")
        yield name
        administration.execute(f"DROP DATABASE {name}")
        administration.execute(f"DROP ROLE {OWNER}")


@pytest.fixture
def hostile_url(hostile_template, postgres_server):
    """A database whose sessions search a schema of hostile functions and operators, too."""
    name = f"hostile_{uuid4().hex}"
    with psycopg.connect(postgres_server.get_uri(), autocommit=True) as administration:
        administration.execute(f"CREATE DATABASE {name} TEMPLATE {hostile_template} OWNER {OWNER}")
        administration.execute(f"ALTER DATABASE {name} SET search_path = public, hostile")
        yield SecretStr(postgres_server.get_uri().replace("postgres:@/postgres?", f"{OWNER}:@/{name}?"))
        administration.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def refused(monkeypatch):
    """Collect the statements in which a hostile function or operator was found."""
    statements = []

    def watched(execute):
        def call(cursor, query, *arguments, **options):
            try:
                return execute(cursor, query, *arguments, **options)
            except psycopg.errors.InsufficientPrivilege as error:
                if MESSAGE in str(error):
                    statements.append(query)
                raise

        return call

    for name in ("execute", "executemany"):
        monkeypatch.setattr(psycopg.Cursor, name, watched(getattr(psycopg.Cursor, name)))
    return statements


@pytest.fixture
def hostile_night(night_of, hostile_url, configure, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "labels.csv").write_text("dimension,code,label,category,remedy\ntask_type,1,A,,\n")
    (tmp_path / "ids.txt").write_text("\n".join(IDS))
    # Nothing listens there, so the messages about new codes stay in the outbox.
    configure(archive__location=tmp_path / "archive", notify__webhook_url="http://127.0.0.1:9/")
    # With a setting of its own it is set up by `task-audit init`, not by a template.
    with night_of(BEHAVIOUR, hostile_url, hostile_url, warehouse__schema="audit") as night:
        yield night


def test_the_schema_is_hostile_to_what_is_no_exact_match(hostile_url, refused):
    engine = open_engine(hostile_url, name="the warehouse")
    inexact = ["count(1)", "2.0 * 3", "'a'::varchar = 'a'::text", "div(1::numeric, 2)"]
    for expression in inexact:
        with pytest.raises(ConfigurationError), engine.connect() as connection:
            connection.exec_driver_sql(f"SELECT {expression} FROM pg_class WHERE false")
    assert len(refused) == len(inexact)
    engine.dispose()


def test_late_unknown_and_overtaken_observations_match_exactly(hostile_url, refused):
    engine = open_engine(hostile_url, name="the warehouse", schema="audit")
    upgrade_warehouse(engine, schema="audit")
    audit = Audit(Warehouse(engine, schema="audit"))
    audit.load(audit.seen(EXECUTING, 20), audit.seen(FAILED, 20, task_id="2", result_code="1"), run="run-1")
    audit.load(audit.seen(EXECUTING, 10), audit.seen(7, 5, task_id="2", task_type=9, result_code="2"), run="run-2")
    audit.load(audit.seen(FAILED, 15), audit.failed(30, task_id="3"), audit.failed(1, task_id="2"), run="run-3")
    audit.load(audit.seen(SUCCESS, 40, task_id="3"), audit.seen(FAILED, 25, task_id="2", result_code="1"), run="run-4")
    assert [change["status"] for change in audit.rows("fact_task_status_change")] == [1, 3, 1, 7, 3, 2]
    assert audit.warehouse.settled(["2"]) == {"2"}
    assert refused == []
    assert audit.warehouse.audited_by_dead_runs(["2", "9"]) == {"2"}
    engine.dispose()


def test_every_statement_names_its_functions_or_matches_exactly(hostile_night, configure, refused):
    asked = [["query", name, *GIVEN.get(name, [])] for name in questions("postgresql")]
    ended = {" ".join(command): hostile_night.run(*command) for command in [*COMMANDS, *asked]}
    assert refused == []
    assert {command: result.stderr for command, result in ended.items() if result.exit_code not in WELL} == {}

    hostile_night.run("notify")
    hostile_night.change("CREATE VIEW mine AS SELECT task_id::bigint AS id, submitted_at AS at FROM pending_task")
    configure(source__mode="read_only", source__table="mine", source__task_id_column="id", source__where="id > 0")
    configure(source__submitted_at_column="at")
    for command in (["doctor"], ["plan", "--refetch"], ["run", "--refetch", "--since", "2020-01-01"]):
        result = hostile_night.run(*command)
        assert result.exit_code in WELL, result
    assert refused == []
