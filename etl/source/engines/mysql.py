"""The pending table in MySQL and MariaDB.

They have no UPDATE that returns rows, lock every row that a sort reads, and take rows as JSON in a form of their own.
MariaDB has no indexes of expressions, so the table has a column with the position.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from operator import attrgetter, gt, lt
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    Table,
    and_,
    column,
    inspect,
    or_,
    select,
    update,
)
from sqlalchemy.types import TypeEngine

from etl.database.engines.base import plain_text
from etl.source.engines.base import Claim, Compile, QueueSql, looked_at
from etl.tasks import ID_EPOCH_MS, ID_TIME_SHIFT, MAX_TASK_ID_DIGITS

ZONE = "[+-][0-9]{2}:[0-9]{2}"

TIME_FORM = f"^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}([T ][0-9]{{2}}:[0-9]{{2}}(:[0-9]{{2}}([.][0-9]+)?)?)? *([Zz]|{ZONE})?$"
"""The forms of a time that MySQL converts; ``UtcDateTime`` reads the others."""

JSON_TYPES = {datetime: "DATETIME(6)", int: "BIGINT", str: "LONGTEXT CHARACTER SET utf8mb4"}
"""The types of values in JSON. The default character set may be another one, which would lose text."""


class MySQLQueue(QueueSql):
    """The statements in the SQL of MySQL."""

    random_sql = "RAND()"

    def claim(self, connection: Connection, claim: Claim) -> Sequence[Row[Any]]:
        """Lock the rows of each state in the order of the index, and update the first of them."""
        table = claim.table
        rows: list[Row[Any]] = []
        for state in claim.states:
            due = _in_order(claim).where(table.c.state == state, *claim.conditions).limit(claim.limit)
            rows += connection.execute(due.with_for_update(skip_locked=True)).all()
        taken = sorted(rows, key=attrgetter("ms", "task_id"), reverse=claim.newest_first)[: claim.limit]
        if taken:
            task_ids = [row.task_id for row in taken]
            connection.execute(update(table).where(table.c.task_id.in_(task_ids)).values(**claim.lease))
        return taken

    def json_rows(self, types: Mapping[str, TypeEngine[Any]]) -> str:
        """Read the array as a table."""
        fields = ", ".join(f"{name} {JSON_TYPES[type_.python_type]} PATH '$.{name}'" for name, type_ in types.items())
        return f"SELECT * FROM JSON_TABLE(:rows, '$[*]' COLUMNS ({fields})) AS given"  # noqa: S608 - our own names

    def json_row(self, row: Mapping[str, Any]) -> object:
        """Write times as MySQL reads them, and leave nulls out, which JSON has in two ways."""
        return {
            name: plain_text(value) if isinstance(value, datetime) else value
            for name, value in row.items()
            if value is not None
        }

    def position(self, submitted_at: ColumnElement[Any], task_id: ColumnElement[str], compiled: Compile) -> str:
        """Read the stored position if the table has one."""
        relation = getattr(task_id, "table", None)
        if isinstance(relation, Table) and "stored_position" in relation.info:
            stored: ColumnElement[int] = column(relation.info["stored_position"], _selectable=relation)
            return compiled(stored)
        return super().position(submitted_at, task_id, compiled)

    def is_id_sql(self, key: str) -> str:
        """Look for another character than a digit: ``$`` would match before a line feed at the end."""
        return f"{key} NOT REGEXP '[^0-9]' AND CHAR_LENGTH({key}) BETWEEN 1 AND {MAX_TASK_ID_DIGITS}"

    def position_sql(self, time: str, key: str) -> str:
        """Compute with microseconds and unsigned integers."""
        return (
            f"COALESCE(CAST(FLOOR(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', {time}) / 1000) AS SIGNED), "
            f"CASE WHEN {self.is_id_sql(key)} "
            f"THEN CAST((CAST({key} AS UNSIGNED) >> {ID_TIME_SHIFT}) + {ID_EPOCH_MS} AS SIGNED) ELSE 0 END)"
        )

    def instant(self, value: ColumnElement[Any], compiled: Compile) -> str:
        """Write the instant as text: MySQL's casts ignore a zone, and make null of a text that is no time.

        Text in another form stays as it is, and ``UtcDateTime`` reads or refuses it as any text.
        """
        given = f"TRIM({compiled(value)})"
        zone = f"RIGHT({given}, 6)"
        # The expression cuts after the microseconds, since MySQL would round.
        local = f"CAST(REGEXP_REPLACE({given}, '((?<=[.][0-9]{{6}})[0-9]+)? *([Zz]|{ZONE})?$', '') AS DATETIME(6))"
        minutes = f"CAST(SUBSTR({zone}, 2, 2) * 60 + SUBSTR({zone}, 5, 2) AS SIGNED)"
        return (
            f"CASE WHEN {given} NOT REGEXP '{TIME_FORM}' THEN {given} "
            f"WHEN {zone} NOT REGEXP '^{ZONE}$' THEN CAST({local} AS CHAR) "
            f"WHEN LEFT({zone}, 1) = '-' THEN CAST(TIMESTAMPADD(MINUTE, {minutes}, {local}) AS CHAR) "
            f"ELSE CAST(TIMESTAMPADD(MINUTE, -{minutes}, {local}) AS CHAR) END"
        )

    def create_due_index(self, connection: Connection, table: Table, position: ColumnElement[int]) -> None:  # noqa: ARG002 - stored
        """Add a column with the position, which ``SELECT *`` and INSERT do not see, and its index, if it is missing."""
        found = {column["name"] for column in inspect(connection).get_columns(table.name, schema=table.schema)}
        if "submitted_ms" not in found:
            connection.exec_driver_sql(
                f"ALTER TABLE {connection.dialect.identifier_preparer.format_table(table)} "
                f"ADD COLUMN submitted_ms BIGINT GENERATED ALWAYS AS ({self.position_sql('submitted_at', 'task_id')}) "
                f"STORED INVISIBLE, ADD INDEX {table.name}_due (state, submitted_ms, task_id)"
            )


def _in_order(claim: Claim) -> Select[Any]:
    table, ms, task_id = claim.table, claim.position, claim.table.c.task_id
    query = (
        select(
            task_id,
            table.c.submitted_at,
            claim.lease["attempts"].label("attempts"),
            claim.lease["fence"].label("fence"),
            ms.label("ms"),
            *looked_at(table),
        )
        # A sort locks every row that it reads, taken or not; a scan along the index sorts nothing.
        .with_hint(table, f"FORCE INDEX ({table.name}_due)", "mysql")
        .order_by(*claim.order)
    )
    if claim.after is None:
        return query
    last_ms, last_id = claim.after
    is_beyond = lt if claim.newest_first else gt
    # A comparison of pairs would not use the index.
    return query.where(
        ms <= last_ms if claim.newest_first else ms >= last_ms,
        or_(is_beyond(ms, last_ms), and_(ms == last_ms, is_beyond(task_id, last_id))),
    )
