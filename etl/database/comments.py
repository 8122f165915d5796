"""Comments in the database: what tables, views and columns mean, shown by the tools of analysts."""

from collections.abc import Callable, Sequence

from sqlalchemy import Connection, Table, inspect, literal
from sqlalchemy.schema import SetColumnComment, SetTableComment

from etl.database.engines import engine_of


def write_comments(connection: Connection, tables: Sequence[Table]) -> None:
    """Write the comments of one schema's tables that differ from those in the database.

    The others are left alone, since MySQL locks a table to comment on it.
    """
    if not engine_of(connection).has_comments:
        return
    found, names, schema = inspect(connection), [table.name for table in tables], tables[0].schema
    # MySQL with lower_case_table_names=1 keeps names in lower case.
    either = [*names, *map(str.lower, names)]
    comments = found.get_multi_table_comment(schema, filter_names=either)
    columns = found.get_multi_columns(schema, filter_names=either)
    for table in tables:
        key = schema, table.name if (schema, table.name) in columns else table.name.lower()
        if comments[key]["text"] != table.comment:
            connection.execute(SetTableComment(table))
        written = {column["name"]: column.get("comment") for column in columns[key]}
        for column in table.columns:
            if written[column.name] != column.comment:
                connection.execute(SetColumnComment(column))
    # The dialect of MySQL leaves the option on, and without the events no error would be translated.
    connection.execution_options(skip_user_error_events=False)


def comment_on_view(connection: Connection, name: str, meaning: str, meaning_of: Callable[[str], str]) -> None:
    """Comment on a view and its columns if the engine's views can have comments."""
    if not engine_of(connection).has_view_comments:
        return
    columns = connection.exec_driver_sql(f"SELECT * FROM {name} LIMIT 0").keys()  # noqa: S608 - a view of ours
    commented = {f"VIEW {name}": meaning} | {f"COLUMN {name}.{column}": meaning_of(column) for column in columns}
    for thing, comment in commented.items():
        quoted = literal(comment).compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True})
        connection.exec_driver_sql(f"COMMENT ON {thing} IS {quoted}")
