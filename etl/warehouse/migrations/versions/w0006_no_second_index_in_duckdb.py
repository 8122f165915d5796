"""In DuckDB, only the keys have an index.

A killed process leaves rows in DuckDB's log. If the next process opens and closes the file, DuckDB 1.5 loses these rows
from each index that is not a key. A statement that moves or deletes one of them then fails, in every later run. DuckDB
needs no index for questions about a night, because it knows the range of each block of rows.
"""

from alembic import op

revision = "w0006"
down_revision = "w0005"


def upgrade() -> None:
    """Drop the index, whatever it has lost."""
    if op.get_context().dialect.name == "duckdb":
        op.drop_index("fact_task_status_change_observed_at", "fact_task_status_change", if_exists=True)
