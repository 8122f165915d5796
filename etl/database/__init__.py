"""Databases as such: engines, the UTC type, migrations, and what a database's error means. No table is named here."""
