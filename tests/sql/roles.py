"""A database with the roles of sql/grants, and users who have nothing but one of them."""

from contextlib import contextmanager
from uuid import uuid4

import pytest
from pydantic import SecretStr

from etl.database.connections import open_engine
from etl.fake_api import Behaviour
from etl.resources import resource
from tests.nights import TOKEN

GRANTS = resource("sql", "grants", "postgresql")
JOB, ANALYST = "task_audit_job", "task_audit_analyst"


@contextmanager
def owner_of(url):
    """Open a database as the owner of its tables."""
    engine = open_engine(SecretStr(url), name="the warehouse")
    yield engine
    engine.dispose()


@pytest.fixture
def owner(postgres_url):
    with owner_of(postgres_url) as engine:
        yield engine


@pytest.fixture
def user_of(owner, postgres_url):
    """Make a user with nothing but a role, or without any, in a database where PUBLIC has no rights; returns a URL."""
    made = []

    def make(role=None, options="LOGIN"):
        name = f"user_{uuid4().hex}"
        with owner.begin() as connection:
            connection.exec_driver_sql(f"CREATE ROLE {name} {options} {f'IN ROLE {role}' if role else ''}")
            connection.exec_driver_sql(f"GRANT CONNECT ON DATABASE {owner.url.database} TO {name}")
        made.append(name)
        return SecretStr(postgres_url.replace("postgres:@", f"{name}:@"))

    yield make
    with owner.begin() as connection:
        for name in made:
            connection.exec_driver_sql(f"DROP OWNED BY {name} CASCADE")
            connection.exec_driver_sql(f"DROP USER {name}")


def name_of(url):
    """Return the name of a user in a URL."""
    return url.get_secret_value().partition("//")[2].partition(":")[0]


def run_grants(engine, *names):
    """Run files of sql/grants as psql would: many statements, and no parameters."""
    with engine.begin() as connection:
        for name in names:
            connection.connection.cursor().execute((GRANTS / f"{name}.sql").read_text(encoding="utf-8"))


def grant(owner, *names):
    with owner.begin() as connection:
        connection.exec_driver_sql(f"REVOKE ALL ON DATABASE {owner.url.database} FROM PUBLIC")
        connection.exec_driver_sql("REVOKE ALL ON SCHEMA public FROM PUBLIC")
    run_grants(owner, *names)


@pytest.fixture
def granted_night(night_of, owner, postgres_url):
    """A night whose pending table and warehouse share a database with the roles."""
    url = SecretStr(postgres_url)
    with night_of(Behaviour(token=TOKEN), url, url) as night:
        grant(owner, "warehouse", "pending_table")
        # And again, as after every init.
        grant(owner, "warehouse", "pending_table")
        yield night
