"""The engines as values."""

import subprocess
import sys

from etl.database.engines import ENGINES

DRIVERS = {"duckdb", "duckdb_sqlalchemy", "psycopg", "pymysql", "sqlite3"}


def test_no_name_in_a_url_means_two_drivers():
    names = [name for engine in ENGINES for name in (*engine.aliases, engine.driver)]

    assert len(names) == len(set(names))


def test_engines_load_no_driver_dialect_or_polars():
    ended = subprocess.run(
        [sys.executable, "-c", "import sys; import etl.database.engines; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = ended.stdout.split()

    assert not {name.partition(".")[0] for name in loaded} & (DRIVERS | {"polars", "alembic", "tenacity"})
    assert not [name for name in loaded if name.startswith("sqlalchemy.dialects.")]
