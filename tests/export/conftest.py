"""Exports of warehouses, on every engine and in a folder."""

import pytest
from sqlalchemy import insert

from etl.export.plan import Range
from etl.jobs.export import export_warehouse
from etl.jobs.export.content import ExportRequest
from etl.settings.load import Settings
from etl.settings.model import WarehouseSettings


@pytest.fixture
def export(monkeypatch):
    """Export a warehouse: ``export(url, folder, full=True)``."""

    def do(url, out, *, first=None, last=None, **request):
        settings = Settings(warehouse=WarehouseSettings(url=url))
        return export_warehouse(settings, ExportRequest(out=str(out), days=Range(first=first, last=last), **request))

    return do


@pytest.fixture
def add():
    """Add rows to a table: ``add(audit, table, {...})``."""

    def insert_rows(audit, table, *rows):
        with audit.engine.begin() as connection:
            connection.execute(insert(table), list(rows))

    return insert_rows
