"""The optional archive: every accepted answer, unchanged, in one folder of Parquet files per day.

The archive does not know what an answer means.
"""
