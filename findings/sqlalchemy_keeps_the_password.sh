#!/usr/bin/env bash
# SQLAlchemy's URL.set() takes None for "leave as it is": url.set(username=None, password=None) keeps both.
#
# Guess: the call removes the user and the password, since it names them, and the URL may be shown.
# Seen with sqlalchemy 2.1.9: set() with None returns the URL unchanged, with its password, and set(password="") keeps an
# empty one. URL.create() from the other parts makes a URL without them.
# It would hurt: an address that was "cleaned" for a report or a manifest has the password in its text.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet sqlalchemy==2.1.9
cat > look.py <<'PYTHON'
from sqlalchemy import URL, make_url

url = make_url("postgresql://ann:secret@db.internal/warehouse")
print(url.set(username=None, password=None).render_as_string(hide_password=False))
print(url.set(password="").render_as_string(hide_password=False))
print(URL.create(url.drivername, host=url.host, database=url.database).render_as_string(hide_password=False))
PYTHON
venv/bin/python look.py | tee seen
cat > expected <<'TEXT'
postgresql://ann:secret@db.internal/warehouse
postgresql://ann:@db.internal/warehouse
postgresql://db.internal/warehouse
TEXT
if ! diff expected seen; then
    echo "SQLAlchemy behaves otherwise now"
    exit 1
fi
echo "as described"
