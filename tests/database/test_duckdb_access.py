"""A view in a file of DuckDB runs as the job, so it can neither read other files nor load extensions."""

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from etl.database.connections import open_engine
from etl.errors import ConfigurationError


@pytest.fixture
def engine(tmp_path):
    engine = open_engine(SecretStr(f"duckdb:///{tmp_path}/w.duckdb"), name="the warehouse", create=True)
    yield engine
    engine.dispose()


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM read_text('{folder}/other')",
        "SELECT * FROM '{folder}/other.csv'",
        "COPY (SELECT 1) TO '{folder}/new.csv'",
        "ATTACH '{folder}/other.duckdb'",
        "INSTALL httpfs",
        "LOAD httpfs",
    ],
)
def test_other_files_and_extensions_are_out_of_reach(engine, tmp_path, statement):
    (tmp_path / "other").write_text("a", encoding="utf-8")
    (tmp_path / "other.csv").write_text("a\n1\n", encoding="utf-8")
    with engine.connect() as connection, pytest.raises(ConfigurationError, match="Permission Error"):
        connection.execute(text(statement.format(folder=tmp_path)))
    assert not (tmp_path / "new.csv").exists()


def test_what_does_not_fit_into_memory_still_goes_to_the_temporary_folder(engine):
    with engine.connect() as connection:
        connection.execute(text("SET memory_limit = '40MB'"))
        connection.execute(text("SET threads = 1"))
        sorting = "SELECT hash(range)::VARCHAR AS b FROM range(1000000) ORDER BY b LIMIT 900000"
        assert connection.execute(text(f"SELECT count(*) FROM ({sorting})")).scalar_one() == 900_000
