#!/usr/bin/env bash
# An argument of a table for one dialect imports that dialect, with all of its drivers' modules, in every process that
# declares the table.
#
# Guess: postgresql_on_commit is kept with the table, and read when a statement is compiled for PostgreSQL; a process that
# opens SQLite alone never imports another dialect.
# Seen with SQLAlchemy 2.1.9: Table(...) checks the name of the argument against the dialect, and imports all of
# sqlalchemy.dialects.postgresql for that: 19 modules, those for asyncpg, pg8000 and psycopg2 among them; without the
# argument it is none. mysql_engine does the same with 19 others. The argument of a dialect that is not installed is only
# a warning.
# It would hurt: a command that starts in half a second spends a twentieth of it on a database that it never opens.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet SQLAlchemy==2.1.9
seen=$("$folder/venv/bin/python" - <<'PYTHON'
import sys
import warnings

from sqlalchemy import Column, Integer, MetaData, Table


def modules(prefix):
    return sum(name.startswith(f"sqlalchemy.dialects.{prefix}") for name in sys.modules)


def declare(**arguments):
    Table(f"stage_{len(arguments)}", MetaData(), Column("id", Integer), prefixes=["TEMPORARY"], **arguments)


declare()
print("without an argument:", modules("postgresql"), modules("mysql"))
declare(postgresql_on_commit="DROP")
print("postgresql_on_commit:", modules("postgresql"), modules("mysql"))
declare(mysql_engine="InnoDB")
print("mysql_engine:", modules("postgresql"), modules("mysql"))
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    declare(nosuch_engine="x")
print("nosuch_engine:", caught[0].category.__name__)
PYTHON
)
echo "$seen"
expected="without an argument: 0 0
postgresql_on_commit: 19 0
mysql_engine: 19 19
nosuch_engine: SAWarning"
if [ "$seen" != "$expected" ]; then
    echo 'SQLAlchemy behaves otherwise now' >&2
    exit 1
fi
