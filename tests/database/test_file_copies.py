"""A copy of a database file appears as a whole or not at all, with nothing else beside it, and can only be read."""

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from contextlib import ExitStack, closing

import duckdb
import pytest
from pydantic import SecretStr

from etl.database import file_copies
from etl.database.file_copies import replace_copy
from tests.duckdb_holders import notebook

CONNECT = {"duckdb": duckdb.connect, "sqlite": sqlite3.connect}

KILLED_WHILE_IT_WRITES = """
import os, sys
import {driver}
connection = {driver}.connect(sys.argv[1])
connection.execute("INSERT INTO task VALUES (99)")
connection.commit()
os.kill(os.getpid(), 9)
"""

KILLED_WHILE_IT_COPIES = """
import os, sys
from pathlib import Path
from pydantic import SecretStr
from etl.database import file_copies
file_copies._synchronize = lambda *_: os.kill(os.getpid(), 9)
file_copies.replace_copy(SecretStr({url!r}), Path(sys.argv[1]))
"""


@pytest.fixture(params=["duckdb", "sqlite"])
def engine(request):
    return request.param


@pytest.fixture
def file(tmp_path, engine):
    file = tmp_path / f"warehouse.{engine}"
    write(engine, file, "CREATE TABLE task (id INTEGER)")
    return file


@pytest.fixture
def copy(tmp_path):
    folder = tmp_path / "analysts"
    folder.mkdir()
    return folder / "tasks.db"


def url_of(engine, file):
    return SecretStr(f"{engine}:///{file}")


def write(engine, file, statement="INSERT INTO task VALUES (1)"):
    with closing(CONNECT[engine](str(file))) as connection:
        connection.execute(statement)
        connection.commit()


def count(engine, file):
    connect = (lambda: duckdb.connect(str(file), read_only=True)) if engine == "duckdb" else None
    with closing(connect() if connect else sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        return connection.execute("SELECT count(*) FROM task").fetchone()[0]


def mode_of(file):
    return stat.S_IMODE(file.stat().st_mode)


def names_beside(copy):
    return sorted(each.name for each in copy.parent.iterdir())


def test_a_copy_holds_what_is_committed_and_stands_alone(engine, file, copy):
    if engine == "sqlite":
        write(engine, file, "PRAGMA journal_mode = WAL")
    for rows in (1, 2):
        write(engine, file)
        size = replace_copy(url_of(engine, file), copy)
        assert count(engine, copy) == rows
        assert size == copy.stat().st_size
    assert names_beside(copy) == [copy.name]
    assert mode_of(copy) == 0o400


def test_who_has_the_previous_copy_open_goes_on_reading_it(engine, file, copy):
    replace_copy(url_of(engine, file), copy)
    with closing(CONNECT[engine](str(copy))) as reader:
        assert reader.execute("SELECT count(*) FROM task").fetchone()[0] == 0
        write(engine, file)
        replace_copy(url_of(engine, file), copy)
        assert reader.execute("SELECT count(*) FROM task").fetchone()[0] == 0
    assert count(engine, copy) == 1


def test_the_permissions_that_a_person_has_given_stay_but_for_the_right_to_write(engine, file, copy):
    replace_copy(url_of(engine, file), copy)
    os.chown(copy, -1, os.getgid())
    copy.chmod(0o664)
    replace_copy(url_of(engine, file), copy)
    assert mode_of(copy) == 0o444


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file to a group that it is not in")
def test_a_group_keeps_its_right_or_no_group_has_it(engine, file, copy, monkeypatch):
    replace_copy(url_of(engine, file), copy)
    os.chown(copy, -1, 4711)
    copy.chmod(0o440)
    replace_copy(url_of(engine, file), copy)
    assert (copy.stat().st_gid, mode_of(copy)) == (4711, 0o440)

    def forbid(*_):
        raise PermissionError

    monkeypatch.setattr(os, "chown", forbid)
    replace_copy(url_of(engine, file), copy)
    assert mode_of(copy) == 0o400


def test_a_link_in_the_place_of_the_copy_gives_it_no_permissions(engine, file, copy, tmp_path):
    (tmp_path / "other").write_text("kept", encoding="utf-8")
    copy.symlink_to(tmp_path / "other")
    replace_copy(url_of(engine, file), copy)
    assert (tmp_path / "other").read_text(encoding="utf-8") == "kept"
    assert (copy.is_symlink(), mode_of(copy)) == (False, 0o400)


def test_a_log_of_a_reader_who_wrote_to_the_copy_does_not_reach_the_next_one(engine, file, copy):
    replace_copy(url_of(engine, file), copy)
    copy.chmod(0o600)
    if engine == "sqlite":
        write(engine, copy, "PRAGMA journal_mode = WAL")
    killed = KILLED_WHILE_IT_WRITES.format(driver="duckdb" if engine == "duckdb" else "sqlite3")
    subprocess.run([sys.executable, "-c", killed, str(copy)], check=False)
    assert len(names_beside(copy)) > 1

    write(engine, file)
    replace_copy(url_of(engine, file), copy)
    assert count(engine, copy) == 1
    assert names_beside(copy) == [copy.name]


def test_a_kill_leaves_the_previous_copy_and_a_file_that_is_removed_later(engine, file, copy):
    replace_copy(url_of(engine, file), copy)
    write(engine, file)
    killed = KILLED_WHILE_IT_COPIES.format(url=f"{engine}:///{file}")
    for _ in range(2):
        subprocess.run([sys.executable, "-c", killed, str(copy)], check=False)
    assert count(engine, copy) == 0
    old, new = copy.parent.glob(".*")
    an_hour_ago = old.stat().st_mtime - file_copies.MAX_LEFTOVER_SECONDS - 1
    os.utime(old, (an_hour_ago, an_hour_ago))

    replace_copy(url_of(engine, file), copy)
    assert count(engine, copy) == 1
    # Another process may be writing the new one.
    assert names_beside(copy) == [new.name, copy.name]


def test_a_copy_that_fails_leaves_the_previous_one_and_nothing_else(engine, file, copy, monkeypatch):
    replace_copy(url_of(engine, file), copy)
    write(engine, file)

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(file_copies, "_synchronize", fail)
    with pytest.raises(OSError, match="No space left"):
        replace_copy(url_of(engine, file), copy)
    assert count(engine, copy) == 0
    assert names_beside(copy) == [copy.name]


def test_a_database_that_is_being_written_to_is_not_copied(engine, file, copy, monkeypatch):
    monkeypatch.setattr("etl.database.engines.sqlite.LOCK_WAIT_SECONDS", 0.01)
    with ExitStack() as stack:
        if engine == "duckdb":
            stack.enter_context(notebook(file, access="write"))
        else:
            stack.enter_context(closing(sqlite3.connect(file))).execute("BEGIN IMMEDIATE")
        with pytest.raises((duckdb.IOException, sqlite3.OperationalError), match=r"Could not set lock|locked"):
            replace_copy(url_of(engine, file), copy)
    assert names_beside(copy) == []


def test_no_other_process_writes_while_a_copy_is_made(engine, file, copy, monkeypatch):
    refused = []

    def look(*_):
        script = (
            f"import duckdb; duckdb.connect({str(file)!r})"
            if engine == "duckdb"
            else f"import sqlite3; sqlite3.connect({str(file)!r}, timeout=0).execute('BEGIN IMMEDIATE')"
        )
        refused.append(subprocess.run([sys.executable, "-c", script], capture_output=True, check=False).returncode)

    monkeypatch.setattr(file_copies, "_synchronize", look)
    replace_copy(url_of(engine, file), copy)
    # The folder is synchronized after the copy is in place.
    assert refused == [1, 0]


def test_a_file_whose_log_is_not_merged_is_not_copied_without_it(tmp_path, copy):
    file = tmp_path / "warehouse.duckdb"
    write("duckdb", file, "CREATE TABLE task (id INTEGER)")
    killed = KILLED_WHILE_IT_WRITES.format(driver="duckdb")
    subprocess.run([sys.executable, "-c", killed, str(file)], check=False)
    with pytest.raises(FileExistsError, match="is not merged yet"):
        replace_copy(url_of("duckdb", file), copy)

    write("duckdb", file)
    replace_copy(url_of("duckdb", file), copy)
    assert count("duckdb", copy) == 2


def test_a_copy_is_as_readable_by_another_name(engine, file, copy, tmp_path):
    odd = copy.with_name("a [b] * 'c' ü.db")
    replace_copy(url_of(engine, file), odd)
    shutil.copyfile(odd, tmp_path / "plain")
    assert count(engine, tmp_path / "plain") == 0
