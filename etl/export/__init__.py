"""An export: the tables of the warehouse as Parquet files, and a manifest that names those of one state.

The component gets rows and knows neither the warehouse nor a run.
"""
