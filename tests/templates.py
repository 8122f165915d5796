"""Databases as ``task-audit init`` leaves them, for tests that begin after it: a migration takes longer.

Files are copied, and to servers the statements of the first migration are said again. What init itself does is for the
tests of the commands and of the schemas.
"""

import shutil
from pathlib import Path

from pydantic import SecretStr
from sqlalchemy import event

from etl.database.connections import open_engine
from etl.database.url import parse_database_url
from etl.source.schema import upgrade_queue
from etl.source.tables import pending_table
from etl.warehouse.calendar import stage_days
from etl.warehouse.schema import upgrade_warehouse

CHANGES = ("ALTER", "COMMENT", "CREATE", "DROP", "INSERT", "UPDATE")


class Templates:
    """What was made once, by engine and contents."""

    def __init__(self, folder):
        self._folder = folder
        self._statements = {}
        self._done = set()

    def set_up(self, source_url, warehouse_url):
        """Set up databases that are not used yet; returns whether they were unused."""
        contents = {source_url: ["source"]}
        contents.setdefault(warehouse_url, []).append("warehouse")
        if any(self._is_used(url) for url in contents):
            return False
        for url, parts in contents.items():
            if file := _file_of(url):
                shutil.copyfile(self._template(file.suffix[1:], parts), file)
            else:
                self._repeat(url, parts)
        self._done.update(contents)
        return True

    def _is_used(self, url):
        file = _file_of(url)
        return url in self._done or (file is not None and file.exists())

    def _template(self, engine, parts):
        file = self._folder / f"{'-'.join(parts)}.{engine}"
        if not file.exists():
            _migrate(open_engine(SecretStr(f"{engine}:///{file}"), name="a template", create=True), parts)
        return file

    def _repeat(self, url, parts):
        engine = open_engine(url, name="a template")
        key = (engine.dialect.name, *parts)
        if key not in self._statements:
            self._statements[key] = list(_recorded(engine, parts))
            return
        connection = engine.raw_connection()
        cursor = connection.cursor()
        if engine.dialect.name == "postgresql":
            # A limit of the administrator is for the job: on a busy machine these statements come late.
            cursor.execute("SET idle_session_timeout = 0")
        for statement, parameters, is_many in self._statements[key]:
            (cursor.executemany if is_many else cursor.execute)(statement, parameters)
        connection.commit()
        connection.close()
        engine.dispose()


def _file_of(url):
    parsed = parse_database_url(url)
    return Path(parsed.database) if parsed.get_backend_name() in {"sqlite", "duckdb"} else None


def _migrate(engine, parts):
    if "source" in parts:
        upgrade_queue(engine, pending_table("pending_task"))
    if "warehouse" in parts:
        upgrade_warehouse(engine)
    engine.dispose()


def _recorded(engine, parts):
    """Migrate, and give back what was said to change something."""
    said = []

    def remember(_connection, _cursor, statement, parameters, _context, is_many):
        # Without its rows, which take servers 0.1 to 0.2 s, the calendar means UTC.
        if statement.lstrip().upper().startswith(CHANGES) and stage_days.name not in statement:
            said.append((statement, parameters, is_many))

    event.listen(engine, "before_cursor_execute", remember)
    _migrate(engine, parts)
    return said
