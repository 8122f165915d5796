#!/usr/bin/env bash
# dlt's merge keeps the first row of a key that one load brings twice, a deletion wins over a later row, and its upsert
# keeps both rows.
#
# Guess: the last row of the load wins, so a task that is deleted and comes back in one load is there; upsert leaves one
# row a key.
# Seen with dlt 1.31.0 on duckdb 1.5.6: delete-insert keeps the first row; with hard_delete the key is gone, in whatever
# order the rows stand; upsert leaves two rows with one primary key.
# It would hurt: who moves from dlt to us must not expect that its tables hold the newest state of each key, or each key
# once.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet dlt[duckdb]==1.31.0 duckdb==1.5.6
cd "$folder"
venv/bin/python -W ignore - <<'PYTHON'
import os

os.environ["RUNTIME__LOG_LEVEL"] = "CRITICAL"
os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"

import dlt
import duckdb


def table_after(name, *loads, disposition="merge", columns=None):
    pipeline = dlt.pipeline(
        name, destination=dlt.destinations.duckdb(f"{name}.duckdb"), dataset_name="data", pipelines_dir="pipelines"
    )
    for rows in loads:
        pipeline.run(
            dlt.resource(rows, name="task", primary_key="id", write_disposition=disposition, columns=columns or {})
        )
    with duckdb.connect(f"{name}.duckdb") as connection:
        return connection.sql("select id, state from data.task order by all").fetchall()


upsert = {"disposition": "merge", "strategy": "upsert"}
hard_delete = {"gone": {"hard_delete": True}}
known = [{"id": 1, "state": 1, "gone": False}]
back = [{"id": 1, "state": 1, "gone": True}, {"id": 1, "state": 2, "gone": False}]
seen = {
    "delete-insert": table_after("merged", [{"id": 1, "state": 1}, {"id": 1, "state": 2}]),
    "upsert": table_after("upserted", [{"id": 1, "state": 1}, {"id": 1, "state": 2}], disposition=upsert),
    "deleted, then back": table_after("deleted", known, back, columns=hard_delete),
}
for name, rows in seen.items():
    print(f"{name:<20}{rows}")
assert seen == {"delete-insert": [(1, 1)], "upsert": [(1, 1), (1, 2)], "deleted, then back": []}, "dlt behaves otherwise now"
PYTHON
