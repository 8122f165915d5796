"""The job reads the user's own table from a hot standby of PostgreSQL."""

from contextlib import ExitStack
from tempfile import TemporaryDirectory

import psycopg
import pytest
from pydantic import SecretStr

from etl.fake_api import Behaviour, StatusWeights
from tests.field.standby import following
from tests.nights import TOKEN, task_ids

pytestmark = [pytest.mark.postgresql, pytest.mark.field]


@pytest.fixture
def standby_of(postgres_server):
    """Run a hot standby of a server until the test ends: ``standby_of(url)`` is the same database there."""
    with ExitStack() as stack:

        def start(url):
            folder = stack.enter_context(TemporaryDirectory(prefix="st-"))
            return stack.enter_context(following(postgres_server, url, folder=folder)).url

        yield start


def test_the_users_table_is_read_from_a_standby(postgres_url, standby_of, night_of):
    ids = task_ids(10)
    with psycopg.connect(postgres_url) as connection:
        connection.execute("CREATE TABLE leaver (id text, ordered timestamptz)")
        connection.cursor().executemany("INSERT INTO leaver VALUES (%s, '2026-11-01')", [[each] for each in ids])
    columns = {"source__task_id_column": "id", "source__submitted_at_column": "ordered", "source__table": "leaver"}
    behaviour = Behaviour(token=TOKEN, weights=StatusWeights(new=0, executing=0))
    standby = SecretStr(standby_of(postgres_url))
    with night_of(behaviour, standby, source__mode="read_only", **columns) as night:
        for command in ("doctor", "plan", "run", "plan", "status"):
            ended = night.run(command)
            assert ended.exit_code == 0, ended
        assert set(night.facts()) == set(ids)


def test_a_queue_on_a_standby_is_unavailable(postgres_url, standby_of, night_of):
    with night_of(Behaviour(token=TOKEN), SecretStr(postgres_url)) as night:
        night.enqueue(*task_ids(2))
        standby = standby_of(postgres_url)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("TASK_AUDIT_SOURCE__URL", standby)
            for command in ("plan", "doctor", "run"):
                ended = night.run(command)
                assert ended.exit_code == (0 if command == "plan" else 69), ended
