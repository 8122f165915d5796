"""Reporting a run to others: logs, metrics, traces, lineage and messages. Nothing here knows how a run works."""
