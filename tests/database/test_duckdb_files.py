"""A new file of DuckDB is as small as DuckDB can make it."""

from pydantic import SecretStr
from sqlalchemy import text

from etl.database.connections import open_engine

TIMES = "SELECT make_timestamp(1700000000000000 + range * 1000000) AS moment, range AS number FROM range(100000)"


def test_a_new_file_holds_times_and_numbers_compressed(tmp_path):
    file = tmp_path / "w.duckdb"
    engine = open_engine(SecretStr(f"duckdb:///{file}"), name="the warehouse", create=True)
    with engine.connect() as connection:
        connection.execute(text(f"CREATE TABLE t AS {TIMES}"))
        connection.commit()
        connection.execute(text("CHECKPOINT"))
        stored = connection.execute(text("SELECT * FROM pragma_storage_info('t') WHERE segment_type <> 'VALIDITY'"))
        compressions = {row.column_name: row.compression for row in stored}
    engine.dispose()
    assert compressions == {"moment": "BitPacking", "number": "BitPacking"}
    assert file.stat().st_size < 500_000
