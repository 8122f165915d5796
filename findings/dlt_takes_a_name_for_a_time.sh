#!/usr/bin/env bash
# dlt types a text column by its first value: if that looks like a time, all later texts go to a second column.
#
# Guess: JSON strings become text, and a schema that is inferred once is widened to text when another value comes.
# Seen with dlt 1.31.0 and duckdb 1.5.6: a first load in which `task_name` is "2026-11-29T01:00:00+08:00" makes the column
# TIMESTAMP WITH TIME ZONE, and the text is lost. The names of the next load stand in `task_name__v_text`, and `task_name`
# is null in their rows. Both loads end without an error.
# It would hurt: one odd name on the first day, and a report by name shows no task of any later day.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet "dlt[duckdb]==1.31.0" duckdb==1.5.6
cat > look.py <<'PYTHON'
import dlt
import duckdb

pipeline = dlt.pipeline("finding", destination=dlt.destinations.duckdb("tasks.duckdb"), dataset_name="audit", pipelines_dir=".")
for task_id, name in (("1", "2026-11-29T01:00:00+08:00"), ("2", "Hand-over")):
    pipeline.run([{"task_id": task_id, "task_name": name}], table_name="task")
with duckdb.connect("tasks.duckdb") as connection:
    connection.execute("SET TimeZone = 'UTC'")
    columns = "task_id, task_name::VARCHAR, typeof(task_name), task_name__v_text"
    for row in connection.execute(f"SELECT {columns} FROM audit.task ORDER BY task_id").fetchall():
        print(*row, sep=" | ")
PYTHON
RUNTIME__DLTHUB_TELEMETRY=false venv/bin/python -W ignore look.py 2> errors | tee seen
cat > expected <<'TEXT'
1 | 2026-11-28 17:00:00+00 | TIMESTAMP WITH TIME ZONE | None
2 | None | TIMESTAMP WITH TIME ZONE | Hand-over
TEXT
if ! diff expected seen; then
    cat errors
    echo "dlt behaves otherwise now"
    exit 1
fi
echo "as described"
