"""The meaning of database errors: first as a table, then as real databases raise them."""

import re
import sqlite3
from threading import Barrier, Thread

import duckdb
import psycopg
import pymysql
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from etl.database.connections import open_engine
from etl.database.engines import ENGINES, engine_named
from etl.errors import ConfigurationError, StoppedError, TransientError, UnavailableError
from tests.conftest import MYSQL
from tests.database.refusals import PASSWORD, refused


def sqlite_error(name, message="something is wrong"):
    error = sqlite3.OperationalError(message)
    error.sqlite_errorname = name
    return error


def postgresql_error(sqlstate, message="something is wrong"):
    return psycopg.errors.lookup(sqlstate)(message)


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (sqlite_error("SQLITE_BUSY"), StoppedError),
        (sqlite_error("SQLITE_BUSY_SNAPSHOT"), StoppedError),
        (sqlite_error("SQLITE_LOCKED_SHAREDCACHE"), StoppedError),
        (sqlite_error("SQLITE_CANTOPEN"), UnavailableError),
        (sqlite_error("SQLITE_CORRUPT_INDEX"), UnavailableError),
        (sqlite_error("SQLITE_FULL"), UnavailableError),
        (sqlite_error("SQLITE_IOERR_FSYNC"), UnavailableError),
        (sqlite_error("SQLITE_READONLY_DBMOVED"), UnavailableError),
        (sqlite_error("SQLITE_NOTADB"), ConfigurationError),
        (sqlite_error("SQLITE_ERROR", "no such table: pending_task"), ConfigurationError),
        (sqlite_error("SQLITE_ERROR", "no such column: fence"), ConfigurationError),
        (sqlite_error("SQLITE_ERROR", 'near "SELEKT": syntax error'), None),
        (sqlite_error("SQLITE_CONSTRAINT_PRIMARYKEY"), None),
        (sqlite3.ProgrammingError("Cannot operate on a closed database."), None),
        (postgresql_error("08006"), TransientError),
        (postgresql_error("25006"), UnavailableError),
        (postgresql_error("25P02"), None),
        (postgresql_error("25P04"), TransientError),
        (postgresql_error("44000"), ConfigurationError),
        (postgresql_error("55000"), ConfigurationError),
        (postgresql_error("57P05"), TransientError),
        (postgresql_error("XX000"), UnavailableError),
        (postgresql_error("28P01"), ConfigurationError),
        (postgresql_error("3D000"), ConfigurationError),
        (postgresql_error("3F000"), ConfigurationError),
        (postgresql_error("40001"), TransientError),
        (postgresql_error("40P01"), TransientError),
        (postgresql_error("42501"), ConfigurationError),
        (postgresql_error("42P01"), ConfigurationError),
        (postgresql_error("42703"), ConfigurationError),
        (postgresql_error("42601"), None),
        (postgresql_error("23505"), None),
        (postgresql_error("53100"), UnavailableError),
        (postgresql_error("53300"), TransientError),
        (postgresql_error("57014"), UnavailableError),
        (postgresql_error("55P03"), StoppedError),
        (postgresql_error("57P01"), TransientError),
        (postgresql_error("58030"), UnavailableError),
        (psycopg.OperationalError("server closed the connection unexpectedly"), TransientError),
        (psycopg.errors.ConnectionTimeout("connection timeout expired"), TransientError),
        (psycopg.OperationalError('FATAL:  password authentication failed for user "u"'), ConfigurationError),
        (psycopg.OperationalError("fe_sendauth: no password supplied"), ConfigurationError),
        (psycopg.OperationalError('FATAL:  no pg_hba.conf entry for host "10.0.0.1"'), ConfigurationError),
        (psycopg.OperationalError('connection is bad: invalid sslmode value: "no"'), ConfigurationError),
        (psycopg.ProgrammingError("bad value for connect_timeout: 'x'"), ConfigurationError),
        (psycopg.ProgrammingError("the query has 0 placeholders"), None),
        (pymysql.err.OperationalError(2003, "Can't connect to MySQL server on 'h'"), TransientError),
        (pymysql.err.OperationalError(2013, "Lost connection to MySQL server during query"), TransientError),
        (pymysql.err.InterfaceError(0, ""), TransientError),
        (pymysql.err.OperationalError(1017, "Can't find file: '/tmp/#sql-temptable-1.MAI'"), UnavailableError),
        (pymysql.err.OperationalError(1040, "Too many connections"), TransientError),
        (pymysql.err.OperationalError(1045, "Access denied for user 'u'@'h'"), ConfigurationError),
        (pymysql.err.OperationalError(1049, "Unknown database 'd'"), ConfigurationError),
        (pymysql.err.OperationalError(1205, "Lock wait timeout exceeded"), StoppedError),
        (pymysql.err.OperationalError(1213, "Deadlock found when trying to get lock"), TransientError),
        (pymysql.err.OperationalError(1114, "The table 'x' is full"), UnavailableError),
        (pymysql.err.OperationalError(1290, "running with the --read-only option"), UnavailableError),
        (pymysql.err.IntegrityError(1062, "Duplicate entry '1' for key 'PRIMARY'"), None),
        (pymysql.err.DataError(1406, "Data too long for column 'x'"), None),
        (pymysql.err.ProgrammingError("not enough arguments"), None),
        (duckdb.IOException('IO Error: Could not set lock on file "x": Conflicting lock'), StoppedError),
        (duckdb.IOException('IO Error: Cannot open file "x"'), UnavailableError),
        (duckdb.CatalogException("Catalog Error: Table with name x does not exist!"), ConfigurationError),
        (duckdb.OutOfMemoryException("Out of Memory Error"), UnavailableError),
        (duckdb.TransactionException("Failed to commit: Could not write file"), UnavailableError),
        (duckdb.FatalException("database has been invalidated"), UnavailableError),
        (duckdb.ParserException("Parser Error"), None),
        (ValueError("none of theirs"), None),
    ],
    ids=repr,
)
def test_every_error_has_one_meaning(error, fault):
    meanings = [translated for engine in ENGINES if (translated := engine.translate(error, database="the warehouse"))]

    assert [type(translated) for translated in meanings] == ([fault] if fault else [])
    for translated in meanings:
        assert translated.message.startswith("The warehouse says: ")
        assert translated.remedy


@pytest.mark.parametrize(
    ("text", "message"),
    [("one.\nSELECT 'data'", "one"), ("", "OperationalError"), ("  two\r\nthree", "two")],
)
def test_the_message_is_the_first_line_alone(text, message):
    translated = engine_named("postgresql").translate(psycopg.OperationalError(text), database="the warehouse")

    assert translated.message == f"The warehouse says: {message}."


def test_a_server_that_is_not_there():
    url = f"postgresql://auditor:{PASSWORD}@127.0.0.1:1/audit?application_name=x&sslpassword={PASSWORD}"

    message = refused(url, fault=UnavailableError)

    assert message.startswith("[database-unavailable] The pending database (")
    assert re.search(r"\(postgresql\+psycopg://auditor:\*\*\*@127.0.0.1:1/audit\S*\) says: ", message)
    assert "Connection refused" in message


@pytest.mark.parametrize(
    ("address", "reason"), [("127.0.0.1:1", "Connection refused"), ("no-such-host.invalid", "no-such-host.invalid")]
)
def test_a_server_of_mysql_that_is_not_there(address, reason):
    message = refused(f"mysql://auditor:{PASSWORD}@{address}/audit", fault=UnavailableError)

    where = f"The pending database (mysql+pymysql://auditor:***@{address}/audit)"
    assert message.startswith(f"[database-unavailable] {where} says: Can't connect")
    assert reason in message


@pytest.mark.parametrize("queue_url", MYSQL, indirect=True)
def test_no_such_database_user_table_or_right_of_mysql(queue_url):
    url = queue_url.get_secret_value()
    name = re.search(r"/(test_\w+)", url)[1]

    assert "denied for user 'nobody'" in refused(url.replace("root@", f"nobody:{PASSWORD}@"), fault=ConfigurationError)
    assert "denied for user 'root'" in refused(url.replace("root@", f"root:{PASSWORD}@"), fault=ConfigurationError)
    assert "Unknown database 'nowhere'" in refused(url.replace(name, "nowhere"), fault=ConfigurationError)
    refused(url, fault=ConfigurationError, statement="SELECT * FROM nobody")
    refused(url, fault=ConfigurationError, statement="SELECT nothing FROM information_schema.tables")


@pytest.mark.parametrize("queue_url", MYSQL, indirect=True)
@pytest.mark.parametrize("end", ["KILL CONNECTION_ID()", "KILL QUERY CONNECTION_ID()"])
def test_a_connection_of_mysql_that_is_killed(queue_url, end):
    refused(queue_url.get_secret_value(), fault=UnavailableError, statement=end)


def test_a_host_that_does_not_exist():
    url = f"postgresql://auditor:{PASSWORD}@no-such-host.invalid/audit"

    assert "no-such-host.invalid" in refused(url, fault=UnavailableError)


def test_no_such_database_role_or_option(postgres_url):
    with_password = postgres_url.replace("postgres:@", f"nobody:{PASSWORD}@")

    assert 'role "nobody" does not exist' in refused(with_password, fault=ConfigurationError)
    no_database = re.sub(r"/test_\w+", "/nowhere", postgres_url)
    assert 'database "nowhere" does not exist' in refused(no_database, fault=ConfigurationError)
    assert 'invalid connection option "colour"' in refused(f"{postgres_url}&colour=red", fault=ConfigurationError)


def test_no_such_table_or_right(postgres_url):
    refused(postgres_url, fault=ConfigurationError, statement="SELECT * FROM nobody")
    refused(postgres_url, fault=ConfigurationError, statement="SELECT nothing FROM pg_class")


def test_a_standby_or_a_read_only_transaction_is_no_reason_to_change_anything(postgres_url):
    refused(
        f"{postgres_url}&options=-cdefault_transaction_read_only%3Don",
        fault=UnavailableError,
        statement="CREATE TABLE x (y INT)",
    )


def test_a_terminated_connection(postgres_url):
    message = refused(postgres_url, fault=UnavailableError, statement="SELECT pg_terminate_backend(pg_backend_pid())")

    assert "terminating connection" in message


@pytest.mark.parametrize("queue_url", ["postgresql", *MYSQL], indirect=True)
def test_two_that_wait_for_each_other(queue_url):
    engine = open_engine(queue_url, name="the pending database")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE x (n INTEGER PRIMARY KEY)"))
        connection.execute(text("INSERT INTO x VALUES (1), (2)"))
    barrier, errors = Barrier(2), []

    def update(first, second):
        try:
            with engine.begin() as connection:
                connection.execute(text(f"UPDATE x SET n = n WHERE n = {first}"))
                barrier.wait()
                connection.execute(text(f"UPDATE x SET n = n WHERE n = {second}"))
        except UnavailableError as error:
            errors.append(str(error))

    threads = [Thread(target=update, args=order) for order in ((1, 2), (2, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    engine.dispose()

    assert len(errors) == 1
    assert "deadlock" in errors[0].lower()


def test_a_bug_keeps_its_own_error(queue_url):
    engine = open_engine(queue_url, name="the pending database", create=True)

    with pytest.raises(Exception, match=r"syntax error|SQL syntax") as syntax, engine.begin() as connection:
        connection.execute(text("SELEKT 1"))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE x (y INTEGER PRIMARY KEY)"))
    with pytest.raises(IntegrityError), engine.begin() as connection:
        connection.execute(text("INSERT INTO x VALUES (1), (1)"))
    engine.dispose()

    assert "task-audit init" not in str(syntax.value)
    assert not isinstance(syntax.value, ConfigurationError)
