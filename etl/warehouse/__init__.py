"""Where the facts live: tables, migrations and views, and the loader that writes a batch in one transaction.

What a fact is was decided before it came here; this room decides only whether it is news.
"""
