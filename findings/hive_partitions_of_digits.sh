#!/usr/bin/env bash
# The readers of a Parquet folder that is partitioned by a text of digits each give the column another type and value.
#
# Guess: all readers guess the same way, so a tenant "0012" becomes 12 everywhere or nowhere.
# Seen: polars 2.1.0 and pyarrow 26.0.1 read "0012" as 12; duckdb 2.0.1 keeps "0012". pyarrow gives int32 and therefore
# keeps an ID of 19 digits as text, while polars and DuckDB give a 64-bit integer. polars reads "1.50" as 1.5 and "true"
# as a truth value; DuckDB and pyarrow keep both as text. Only polars and DuckDB see a date in "2026-11-01".
# It would hurt: an export that is partitioned by a tenant, a code or a day joins in one engine and not in the next.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet duckdb==2.0.1 polars==2.1.0 pyarrow==26.0.1
cd "$folder"
venv/bin/python -W ignore - <<'PYTHON'
import datetime
import shutil

import duckdb
import polars as pl
import pyarrow.parquet as pq

DAY = datetime.date(2026, 11, 1)
EXPECTED = {
    "0012": {"DuckDB": "0012", "polars": 12, "pyarrow": 12},
    "1534087020903704704": {"DuckDB": 1534087020903704704, "polars": 1534087020903704704, "pyarrow": "1534087020903704704"},
    "1.50": {"DuckDB": "1.50", "polars": 1.5, "pyarrow": "1.50"},
    "true": {"DuckDB": "true", "polars": True, "pyarrow": "true"},
    "2026-11-01": {"DuckDB": DAY, "polars": DAY, "pyarrow": "2026-11-01"},
}
for text, expected in EXPECTED.items():
    shutil.rmtree("export", ignore_errors=True)
    duckdb.execute("copy (select ? as tenant, 1 as n) to 'export' (format parquet, partition_by (tenant))", [text])
    seen = {
        "DuckDB": duckdb.sql("select tenant from read_parquet('export/*/*.parquet', hive_partitioning = true)").fetchall()[0][0],
        "polars": pl.scan_parquet("export/", hive_partitioning=True).collect()["tenant"].item(),
        "pyarrow": pq.read_table("export")["tenant"][0].as_py(),
    }
    print(f"{text:<20}{seen}")
    same_types = all(type(seen[reader]) is type(expected[reader]) for reader in expected)
    assert seen == expected and same_types, "a reader behaves otherwise now"
PYTHON
