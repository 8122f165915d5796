"""The Python of the how-to on exports works on an export; tests/field runs that which needs other packages."""

import json
import re
import subprocess
import sys

import pytest
from pydantic import SecretStr

from etl.database.connections import open_engine
from etl.warehouse.schema import upgrade_warehouse
from etl.warehouse.tables import fact_task_status
from tests.documents.pages import ROOT
from tests.export.test_readers import fact

PAGE = ROOT / "docs" / "how-to" / "export.md"


def blocks():
    """Return the blocks of Python by their title."""
    text = PAGE.read_text(encoding="utf-8")
    return dict(re.findall(r'^```python title="(\w+)\.py"\n(.*?)^```$', text, re.MULTILINE | re.DOTALL))


@pytest.fixture
def failed_task(export):
    """Export a warehouse with one failed task of three into the folder ``export``."""

    def make(folder):
        url = SecretStr(f"sqlite:///{folder}/warehouse.sqlite")
        engine = open_engine(url, name="the warehouse", create=True)
        upgrade_warehouse(engine)
        with engine.begin() as connection:
            rows = [fact(number) | {"task_id": str(number), "status": number} for number in (1, 2, 3)]
            connection.execute(fact_task_status.insert(), rows)
        engine.dispose()
        export(url, folder / "export")

    return make


@pytest.mark.duckdb
def test_the_copy_for_readers_can_be_exported(night_of, task_audit, monkeypatch, tmp_path):
    """The page gives the command in a sentence: a variable, and the command."""
    (variable, url, command) = re.search(r"`(\w+)=(duckdb:\S+) task-audit (export --out) …`", PAGE.read_text()).groups()
    copy = tmp_path / "tasks.duckdb"
    with night_of(warehouse_url=SecretStr(f"duckdb:///{tmp_path}/w.duckdb"), warehouse__read_copy=copy) as night:
        night.enqueue("1534087020903704704")
        assert night.run("run").exit_code == 0
    monkeypatch.setenv(variable, url.replace("/srv/analysts/tasks.duckdb", str(copy)))
    done = task_audit(*command.split(), tmp_path / "out")

    assert done.exit_code == 0, done.stderr
    assert f"{1:>12} rows of fact_task_status (wrote 1 in 1 day)" in done.stdout


@pytest.mark.parametrize(
    ("title", "shown", "value"),
    [
        ("with_duckdb", "failed", "(1,)"),
        ("with_polars", "failed['task_id'].to_list()", "['3']"),
        ("for_redshift", "len(manifest['tables'])", "9"),
    ],
)
def test_the_python_of_the_how_to_reads_an_export(tmp_path, failed_task, title, shown, value):
    failed_task(tmp_path)
    program = f"{blocks()[title]}\nprint({shown})\n"
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == value
    if title == "for_redshift":
        (entry,) = json.loads((tmp_path / "dim_day.redshift.json").read_text())["entries"]
        assert entry["meta"]["content_length"] == next((tmp_path / "export" / "dim_day").iterdir()).stat().st_size
