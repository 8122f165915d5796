"""Views that also show facts whose status or type has no row in its dimension, which now has a bound."""

revision = "w0007"
down_revision = "w0006"


def upgrade() -> None:
    """Change no table: every upgrade writes the views again, and runs need those of this version."""
