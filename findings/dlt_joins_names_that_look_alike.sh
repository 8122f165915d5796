#!/usr/bin/env bash
# dlt writes the fields `taskId`, `task_id` and `Task ID` of one answer into one column, and the last one wins without a
# word.
#
# Guess: a collision of names is an error, or each field gets a column with a suffix.
# Seen with dlt 1.31.0 on duckdb 1.5.6: one column task_id with the last of the three values; TASKID becomes a column of
# its own.
# It would hurt: an API that renames a field and sends both spellings for a while changes the stored value by the order
# of its fields.
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

pipeline = dlt.pipeline(
    "names", destination=dlt.destinations.duckdb("names.duckdb"), dataset_name="data", pipelines_dir="pipelines"
)
pipeline.run(dlt.resource([{"Task ID": 1, "taskId": 2, "task_id": 3, "TASKID": 4}], name="task"))
with duckdb.connect("names.duckdb") as connection:
    relation = connection.sql("select columns(name -> not starts_with(name, '_dlt')) from data.task")
    seen = dict(zip(relation.columns, relation.fetchone(), strict=True))
print(seen)
assert seen == {"task_id": 3, "taskid": 4}, "dlt behaves otherwise now"
PYTHON
