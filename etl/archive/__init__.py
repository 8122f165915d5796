"""The raw answers, kept if wanted: every accepted answer as it came, in Parquet files by day.

What an answer means is not known here.
"""
