"""The history in partitions, as docs/how-to/partitions.md makes them: the job and the questions do not notice."""

import re
from pathlib import Path

from pydantic import SecretStr

from etl.database.connections import open_engine
from etl.exit_codes import ExitCode
from tests.nights import task_ids

(STATEMENTS,) = re.findall(
    r"```sql\n(.*?)```", Path("docs/how-to/partitions.md").read_text(encoding="utf-8"), re.DOTALL
)


def test_the_job_goes_on_as_before(night_of, postgres_url):
    url = SecretStr(postgres_url)
    with night_of(source_url=url, warehouse_url=url) as night:
        night.enqueue(*task_ids(50))
        assert night.run("run").exit_code == ExitCode.OK
        before = night.rows("SELECT * FROM v_task_history ORDER BY task_id, valid_from")
        engine = open_engine(url, name="the warehouse")
        with engine.connect() as connection:
            connection.connection.cursor().execute(STATEMENTS)
            connection.connection.commit()
        engine.dispose()
        assert night.run("init").exit_code == ExitCode.OK
        night.change("DROP TABLE history_until_now")
        assert night.rows("SELECT * FROM v_task_history ORDER BY task_id, valid_from") == before
        night.enqueue(*task_ids(80)[50:])
        assert night.run("run").exit_code == ExitCode.OK
        assert night.rows("SELECT COUNT(DISTINCT task_id) FROM v_task_history") == [(80,)]
        assert night.run("query", "what_changed").exit_code == ExitCode.OK
