#!/usr/bin/env bash
# MariaDB reads and sorts all rows of an index for ORDER BY with a column that WHERE fixes, if the text that fixes it has
# another collation than the column.
#
# Guess: with an index on (state, due), WHERE state = 'pending' ORDER BY state, due LIMIT 1 reads one row, since a
# comparison takes the collation of the column, and the index is in this order.
# Seen with mariadb-server 10.11.19 (Debian 12): the same index finds the rows, but if the collation of the connection is
# another one than the column's, the state no longer counts as fixed. All 20,000 rows are read and sorted. Without the
# state in ORDER BY, with COLLATE after the text, or with the column's collation for the connection, it is one row. The
# data say nothing about it: a driver, a setting of the server or a new default collation changes the plan.
# It would hurt: with FOR UPDATE, the sort locks every row that it reads, so that one claim of a queue locks the queue.
set -euo pipefail
folder=$(mktemp -d)
server=""
trap 'if [ -n "$server" ]; then kill "$server" 2> /dev/null || true; wait "$server" || true; fi; rm -rf "$folder"' EXIT
cd "$folder"
apt-get download --quiet=2 mariadb-server-core=1:10.11.19-0+deb12u1
dpkg --extract mariadb-server-core_*.deb .
python3 -m venv venv
venv/bin/pip install --quiet PyMySQL==1.2.4
mkdir data
as_root=$([ "$(id -u)" = 0 ] && echo --user=root || true)
usr/sbin/mariadbd --no-defaults $as_root --datadir="$folder/data" --lc-messages-dir="$folder/usr/share/mysql" --skip-grant-tables \
    --skip-networking --socket="$folder/socket" > log 2>&1 &
server=$!
for _ in $(seq 100); do [ -S socket ] && break; sleep 0.2; done
seen=$(venv/bin/python - <<'PYTHON'
import pymysql

connection = pymysql.connect(unix_socket="socket", autocommit=True)
cursor = connection.cursor()


def rows_read(collation, query):
    cursor.execute(f"SET NAMES utf8mb4 COLLATE {collation}")
    cursor.execute("FLUSH STATUS")
    cursor.execute(query)
    cursor.fetchall()
    cursor.execute("SHOW STATUS WHERE Variable_name IN ('Handler_read_key', 'Handler_read_next')")
    return sum(int(value) for _, value in cursor.fetchall())


cursor.execute("CREATE DATABASE queue")
cursor.execute("USE queue")
cursor.execute(
    "CREATE TABLE task (id INT PRIMARY KEY, due INT NOT NULL, KEY by_state (state, due),"
    " state VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL)"
)
cursor.execute("INSERT INTO task SELECT seq, seq, 'pending' FROM seq_1_to_20000")
first = "SELECT due FROM task WHERE state = 'pending'{} ORDER BY {} LIMIT 1"
both = first.format("", "state, due")
print("the column's collation:", rows_read("utf8mb4_bin", both))
print("another collation:", rows_read("utf8mb4_general_ci", both))
print("another, without the state in ORDER BY:", rows_read("utf8mb4_general_ci", first.format("", "due")))
print("another, with COLLATE:", rows_read("utf8mb4_general_ci", first.format(" COLLATE utf8mb4_bin", "state, due")))
PYTHON
)
expected="the column's collation: 1
another collation: 20001
another, without the state in ORDER BY: 1
another, with COLLATE: 1"
echo "$seen"
if [ "$seen" != "$expected" ]; then
    echo 'MariaDB behaves otherwise now' >&2
    exit 1
fi
