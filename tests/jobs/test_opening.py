"""What is opened to read cannot be written to, on any engine."""

import pytest
from sqlalchemy import insert
from sqlalchemy.exc import SQLAlchemyError

from etl.database.connections import open_engine
from etl.errors import TaskAuditError
from etl.jobs.opening import open_warehouse
from etl.settings.model import WarehouseSettings
from etl.warehouse.schema import upgrade_warehouse
from etl.warehouse.tables import dim_task_type

ROW = insert(dim_task_type).values(task_type=99, task_type_name="x")


def test_a_warehouse_that_is_opened_to_read_refuses_every_write(warehouse_url):
    engine = open_engine(warehouse_url, name="the warehouse", create=True)
    upgrade_warehouse(engine)
    engine.dispose()
    settings = WarehouseSettings(url=warehouse_url)

    with open_warehouse(settings, read_only=True) as warehouse:
        for statement in (ROW, "CREATE TABLE mine (n integer)", "DROP VIEW v_run_health"):
            with pytest.raises((TaskAuditError, SQLAlchemyError)), warehouse.engine.begin() as connection:
                connection.exec_driver_sql(statement) if isinstance(statement, str) else connection.execute(statement)

    with open_warehouse(settings) as warehouse, warehouse.engine.begin() as connection:
        connection.execute(ROW)
