"""Which addresses of the API and of databases are accepted."""

import pytest
from pydantic import SecretStr

from etl.database.url import parse_database_url
from etl.settings.load import load_configuration
from tests.settings.refusals import CANARY, refusal


@pytest.mark.parametrize(
    "url",
    [
        "https://cn.myhuaweicloud-koodrive.com",
        "https://cn.myhuaweicloud-koodrive.com/",
        " https://cn.myhuaweicloud-koodrive.com\n",
        "HTTPS://cn.myhuaweicloud-koodrive.com:8443/prefix",
        "http://localhost:8080",
        "http://127.0.0.1",
        "http://[::1]:8080",
    ],
)
def test_a_base_url_may_be_https_or_on_this_machine(configure, url):
    configure(api__base_url=url)

    assert load_configuration().settings.api.base_url == url.strip().rstrip("/")


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("http://cn.myhuaweicloud-koodrive.com", "must be https"),
        ("http://localhost.example.com", "must be https"),
        ("http://0.0.0.0", "must be https"),
        ("http://10.0.0.1", "must be https"),
        (f"https://user:{CANARY}@example.com", "holds more than"),
        (f"https://example.com?token={CANARY}", "holds more than"),
        ("https://example.com#x", "holds more than"),
        ("ftp://example.com", "is not a URL"),
        ("example.com", "is not a URL"),
        ("https://", "is not a URL"),
        ("https://example.com:port", "is not a URL"),
    ],
)
def test_any_other_base_url_is_refused(configure, url, complaint):
    configure(api__base_url=url)

    assert f"api.base_url (from TASK_AUDIT_API__BASE_URL): {complaint}" in refusal()


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        (CANARY, "is not an SQLAlchemy URL"),
        (f"oracle://u:{CANARY}@h/d", "names the engine 'oracle'"),
        (f"postgresql+asyncpg://u:{CANARY}@h/d", "names the driver 'asyncpg'"),
        (f"postgresql://u:x@{CANARY}@h/d", "contains more than one @"),
        (f"postgresql://u:x@{CANARY}/y@h/d", "contains more than one @"),
        (f"mysql+mysqldb://u:{CANARY}@h/d", "names the driver 'mysqldb'"),
        (f"mysql://u:x@{CANARY}@h/d", "contains more than one @"),
        (f"mysql://u:{CANARY}@h", "names no database"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
    ],
)
def test_an_unusable_database_url_is_refused(configure, url, complaint):
    configure(source__url=url)

    assert f"source.url (from TASK_AUDIT_SOURCE__URL): {complaint}" in refusal()


def test_duckdb_can_be_the_warehouse_and_not_the_queue(configure):
    configure(warehouse__url="duckdb:///x")
    assert load_configuration().settings.warehouse.url.get_secret_value() == "duckdb:///x"

    configure(source__url="duckdb:///x")
    assert "source.url (from TASK_AUDIT_SOURCE__URL): names the engine 'duckdb'" in refusal()


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_a_url_need_not_name_the_driver(scheme):
    assert parse_database_url(SecretStr(f"{scheme}://u@h/d")).drivername == "postgresql+psycopg"


@pytest.mark.parametrize("scheme", ["mysql", "mysql+pymysql", "mariadb", "mariadb+pymysql"])
def test_mariadb_uses_the_driver_of_mysql(scheme):
    assert parse_database_url(SecretStr(f"{scheme}://u@h/d")).drivername == "mysql+pymysql"


def test_mysql_has_no_schema_setting(configure):
    configure(warehouse__url="mysql://u@h/d", warehouse__schema="audit")

    assert "name it in the URL" in refusal()
