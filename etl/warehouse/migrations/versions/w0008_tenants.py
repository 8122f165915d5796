"""The names of tenants, which your labels give them."""

import sqlalchemy as sa
from alembic import op

from etl.database.types import KeyText

revision = "w0008"
down_revision = "w0007"

KNOWN = """
INSERT INTO dim_tenant (tenant_id)
SELECT f.tenant_id
FROM fact_task_status AS f
WHERE f.tenant_id <> '' AND SUBSTR(f.tenant_id, 1, 500) = f.tenant_id
    AND NOT EXISTS (SELECT 1 FROM dim_tenant AS t WHERE t.tenant_id = f.tenant_id)
GROUP BY f.tenant_id
ORDER BY COUNT(*) DESC, f.tenant_id
LIMIT 10000
"""
"""The tenants of the facts, the most frequent first; a repeated upgrade adds those that are missing."""


def upgrade() -> None:
    """Create the table, and add the tenants of the facts."""
    op.create_table(
        "dim_tenant",
        sa.Column("tenant_id", KeyText(500), primary_key=True),
        sa.Column("tenant_name", sa.Text),
        sa.Column("category", sa.Text),
        sa.Column("action", sa.Text),
    )
    op.execute(KNOWN)
